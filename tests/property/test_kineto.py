"""Laws of the reader: where slices end changes nothing, times are exact, and no bytes bring out more than one line."""

from __future__ import annotations

import gzip
import json
import math
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from profiler.errors import UnreadableError
from profiler.trace import integrity, intervals
from profiler.trace.decimals import column_of_nanoseconds, nanoseconds
from profiler.trace.kineto import read_kineto
from profiler.trace.nesting import enclosing, parents
from profiler.trace.no_numbers import without_nan
from profiler.trace.slices import each_slice
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import RECORDINGS, annotation, call, copy, kernel, operation, trace_bytes

# What looks like the end of an event and is none: in strings, in lists of objects, behind escapes.
tricky = st.sampled_from(["}, {", '"}, {"', '\\"},\n{', "]}", '{"traceEvents": [', "\\", "aten::mm", "é}", ""])
values = st.recursive(
    st.one_of(tricky, st.integers(-(10**6), 10**6), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(tricky, inner, max_size=3)),
    max_leaves=8,
)
categories = st.sampled_from(["kernel", "cpu_op", "python_function", "}, {"])
events = st.lists(
    st.builds(
        lambda cat, name, args: {"ph": "X", "cat": cat, "name": name, "args": {"x": args}}, categories, tricky, values
    ),
    max_size=12,
)


@given(events, st.integers(1, 80), st.integers(1, 200), st.booleans(), st.sampled_from([None, 1]), values)
def test_wherever_slices_end_the_events_are_those_of_the_text(given_events, chunk, slice_bytes, bare, indent, other):
    trace = given_events if bare else {"other": other, "traceEvents": given_events, "baseTimeNanoseconds": 5}
    text = json.dumps(trace, indent=indent).encode()
    found: list[Any] = []

    def take(listed: bytes | msgspec.Raw) -> None:
        found.extend(msgspec.json.decode(listed))

    pieces = (text[at : at + chunk] for at in range(0, len(text), chunk))
    surroundings = each_slice(pieces, take, slice_bytes).surroundings
    assert found == given_events
    assert surroundings.base_ns == (0 if bare else 5)


no_numbers = st.sampled_from([math.nan, math.inf, -math.inf])
strings = st.one_of(tricky, st.sampled_from([": NaN,", '\\", NaN, "', "[inf]", "-Infinity"]), st.text(max_size=5))
with_nan = st.recursive(
    st.one_of(strings, st.integers(), no_numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(strings, inner, max_size=4)),
)


def numbered(value: Any) -> Any:
    """With -1.0 for what is no number."""
    if isinstance(value, dict):
        return {key: numbered(each) for key, each in value.items()}
    if isinstance(value, list):
        return [numbered(each) for each in value]
    return value if not isinstance(value, float) or math.isfinite(value) else -1.0


@given(with_nan, st.sampled_from([None, 1]), st.booleans())
def test_what_is_no_number_becomes_one_and_texts_that_say_so_stay(value, indent, ascii_only):
    text = json.dumps([value], indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert json.loads(without_nan(text)) == [numbered(value)]


decimals = st.decimals(-(10**15), 3 * 10**15, allow_nan=False, allow_infinity=False, places=None)
texts = st.one_of(
    decimals.map(str),
    st.integers(0, 3 * 10**15).map(str),
    st.builds(lambda whole, part: f"{whole}.{part:03d}", st.integers(0, 3 * 10**15), st.integers(0, 999)),
)


@given(st.lists(texts, max_size=20))
def test_a_column_of_times_is_each_of_them_to_the_nanosecond(given_texts):
    raws = [msgspec.Raw(text.encode()) for text in given_texts]
    assert column_of_nanoseconds(raws).tolist() == [round(Decimal(text) * 1000) for text in given_texts]
    assert [nanoseconds(text.encode()) for text in given_texts] == [round(Decimal(text) * 1000) for text in given_texts]


spans = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 12), st.integers(0, 2)), max_size=25)


def columns(rows: list[tuple[int, int, int]]) -> tuple[Any, Any, Any]:
    start, length, thread = np.array(rows, np.int64).reshape(-1, 3).T
    return start, start + length, thread


@given(spans, spans)
def test_the_innermost_interval_around_another_is_the_last_to_start_of_those_that_hold_it(outer, inner):
    around = enclosing(columns(outer), *columns(inner))
    for (start, length, thread), row in zip(inner, around.tolist(), strict=True):
        holding = [
            (begin, -lasts, number)
            for number, (begin, lasts, owner) in enumerate(outer)
            if owner == thread and begin <= start and begin + lasts >= start + length
        ]
        assert row == (max(holding)[2] if holding else -1)


@given(spans)
def test_the_parent_of_an_interval_is_the_last_before_it_that_holds_it(rows):
    found = parents(*columns(rows))
    for number, (start, length, thread) in enumerate(rows):
        before = [
            (begin, -lasts, other)
            for other, (begin, lasts, owner) in enumerate(rows)
            if owner == thread and begin + lasts >= start + length and (begin, -lasts, other) < (start, -length, number)
        ]
        assert found[number] == (max(before)[2] if before else -1)


def read_or_refused(data: bytes) -> Timeline | None:
    """The timeline, or None where the trace is refused in one line; nothing else may happen."""
    refusal = ""
    try:
        timeline = read_kineto(data, max_bytes=1 << 24)
    except UnreadableError as error:
        refusal = str(error)
    if refusal:
        assert "\n" not in refusal
        return None
    device = timeline.device
    busy = intervals.total(intervals.from_columns(device.start_ns, device.end_ns))
    assert 0 <= busy <= int((device.end_ns - device.start_ns).sum())
    for finding in integrity.check(timeline):
        assert finding.message
    return timeline


numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["12", "1.5", "soon", "NaN", "", "-1", "1e400", "7 8"]),
    st.none(),
    st.booleans(),
    st.lists(st.integers(-1, 5), max_size=4),
    st.dictionaries(tricky, st.integers(), max_size=2),
)
FIELDS = ("ts", "dur", "tid", "pid", "name", "cat", "ph", "args")
ARGUMENTS = (
    "External id",
    "correlation",
    "device",
    "stream",
    "bytes",
    "grid",
    "block",
    "registers per thread",
    "Input Dims",
    "Input type",
    "Concrete Inputs",
    "wait_on_cuda_event_record_corr_id",
)
SOUND = [
    annotation("ProfilerStep#1", 0, 100),
    operation("aten::mm", 1, 20, External_id=3),
    call("cudaLaunchKernel", 2, 3, correlation=9),
    call("cudaDeviceSynchronize", 30, 9, correlation=10),
    kernel(8, 4, correlation=9),
    copy("Memcpy HtoD (Pageable -> Device)", 20, 4, bytes=8),
    {"ph": "X", "cat": "cuda_sync", "name": "Event Sync", "ts": 30, "dur": 9, "args": {"correlation": 10}},
    {"ph": "X", "cat": "overhead", "name": "Buffer Flush", "ts": 50, "dur": 9},
]


@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.sampled_from(FIELDS + ARGUMENTS), numbers), max_size=4))
def test_events_with_any_values_are_read_or_refused_in_one_line(changes):
    flawed = [dict(event) for event in SOUND]
    for number, field, value in changes:
        event = flawed[number]
        if field in FIELDS:
            event[field] = value
        elif isinstance(event.get("args"), dict):
            event["args"] = event["args"] | {field: value}
    read_or_refused(json.dumps({"traceEvents": flawed}).encode())


@given(st.sampled_from(["baseTimeNanoseconds", "deviceProperties", "traceEvents"]), numbers)
def test_what_surrounds_the_events_may_be_anything(field, value):
    read_or_refused(trace_bytes(SOUND, **{field: value}))


BYTES = (RECORDINGS / "stream_imbalance.json.gz").read_bytes()
TEXT = gzip.decompress(BYTES)


@pytest.mark.parametrize("whole", [TEXT, BYTES], ids=["plain", "gzipped"])
@given(st.data())
def test_a_trace_with_bytes_changed_lost_or_added_is_read_or_refused_in_one_line(whole, data):
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        lost = data.draw(st.sampled_from([0, 1, 1, 40, len(damaged)]))
        damaged[at : at + lost] = data.draw(st.one_of(st.binary(max_size=4), tricky.map(str.encode)))
    assume(damaged != whole)
    read_or_refused(bytes(damaged))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_trace_are_refused_in_one_line(data):
    assert read_or_refused(data) is None or data.lstrip().startswith((b"[", b"{"))
