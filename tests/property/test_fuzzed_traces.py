"""Real traces, damaged at random in their structure and in their bytes: analysed exactly, or refused in one line.

The examples are the same in every run, so that a failure is a change of the code and not of the dice.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from profiler.errors import UnreadableError
from profiler.render import markdown, table
from profiler.render.analysis_blocks import analysis_blocks
from profiler.report.analysis import Analysis, RankAnalysis, encode_analysis
from profiler.session.analyze import analyze_inputs, analyze_trace
from profiler.session.trace_inputs import TraceInput
from tests.unit.trace.side_by_side import side_by_side
from tests.unit.trace.trace_events import CPU_TRACE, RECORDINGS, call, kernel, trace_bytes

Trace = dict[str, Any]

BOUNDED = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
MAX_BYTES = 8 << 20
BUG = re.compile(r": [A-Z]\w*(Error|Exception)\b")  # what an error that nobody announced is told as
NAMES = ("copy_stream", "stream_imbalance", "h2d_pinned_serial", "slow_host", "repeat_kv", "both", "cpu")
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.floats(),
    st.sampled_from(["", "7", "-1", "1e300", "NaN", "kernel", "gpu_memcpy", "ProfilerStep#3", "\ud800", "\u0000"]),
    st.lists(st.one_of(st.integers(-2, 2**40), st.text(max_size=3)), max_size=4),
    st.lists(st.lists(st.integers(-2, 2**40), max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
DIGITS = [b"0", b"1", b"9", b"-1", b"00", b".5", b"e4"]
CATEGORIES = st.sampled_from(
    (
        *("kernel", "gpu_memcpy", "gpu_memset", "cuda_runtime", "cuda_driver", "cpu_op", "user_annotation", "overhead"),
        *("cuda_sync", "Kernel", "Memcpy", "Runtime", "Operator", "python_function", "Trace"),
    )
)


@cache
def text_of(name: str) -> bytes:
    if name == "both":
        return side_by_side("copy_stream", "h2d_pinned_serial")
    path = CPU_TRACE if name == "cpu" else RECORDINGS / f"{name}.json.gz"
    return gzip.decompress(path.read_bytes())


def analysed(data: bytes, *, parts_only: bool) -> list[RankAnalysis]:
    """What comes of it, all of it checked; nothing where it is refused. Any other error ends the test."""
    refusal = ""
    ranks: list[RankAnalysis] = []
    try:
        ranks = analyze_trace("fuzzed.json", data, parts_only=parts_only, max_bytes=MAX_BYTES)
    except UnreadableError as error:
        refusal = error.message
    assert "\n" not in refusal
    assert len(refusal) < 400
    for rank in ranks:
        assert rank.busy_ns + rank.idle_ns == rank.span_ns >= 0
        assert sum(part.ns for part in rank.parts) == rank.span_ns
        assert sum(part.ns for part in rank.parts if part.part.is_idle) == rank.idle_ns
        assert all(part.ns > 0 for part in rank.parts)
        assert all(0 <= share.share <= 1.001 for share in rank.shares)
        assert all(finding.count <= finding.of for finding in rank.integrity)
    return ranks


def shown(ranks: list[RankAnalysis]) -> None:
    shown_answer(Analysis(tool_version="", ranks=ranks, job=None, unreadable=[]))


def shown_answer(answer: Analysis) -> None:
    blocks = analysis_blocks(answer)
    table.render_blocks(blocks, Console(file=io.StringIO(), width=80))
    markdown.render_blocks(blocks)
    json.loads(encode_analysis(answer))


@cache
def rank(number: int) -> bytes:
    """One of several ranks that meet in collectives."""
    events = []
    for step in range(12):
        launched, arrived = 200 * step, 200 * step + 9 + 3 * number
        events += [call("cudaLaunchKernel", launched, 2, 2 * step + 1), kernel(launched + 4, 5, 2 * step + 1)]
        events += [call("cudaLaunchKernel", launched + 3, 2, 2 * step + 2)]
        meeting = kernel(arrived, 90 - 3 * number, 2 * step + 2, 20, "ncclDevKernel_AllReduce_Sum_bf16_RING_LL")
        meeting["args"] |= {"Process Group Name": "0", "Process Group Ranks": "[0, 1]"}
        events.append(meeting)
    return trace_bytes(events, distributedInfo={"rank": number})


@st.composite
def restructured(draw: st.DrawFn, text: bytes | None = None) -> bytes:
    """A real trace, or this one, some of whose events lack, repeat, swap or change something."""
    trace: Trace = json.loads(text or text_of(draw(st.sampled_from(NAMES))))
    events = trace["traceEvents"]
    for _ in range(draw(st.integers(1, 12))):
        draw(st.sampled_from(DAMAGES))(draw, events)
    if draw(st.integers(0, 5)) == 0:
        trace[draw(st.sampled_from([*trace, "baseTimeNanoseconds"]))] = draw(ODD)
    return json.dumps(trace).encode()


def some(draw: st.DrawFn, events: list[Any]) -> int:
    return draw(st.integers(0, len(events) - 1))


def drop(draw: st.DrawFn, events: list[Any]) -> None:
    first = some(draw, events)
    del events[first : first + draw(st.sampled_from([1, 5, 50]))]
    events.append({})


def repeat(draw: st.DrawFn, events: list[Any]) -> None:
    events.append(json.loads(json.dumps(events[some(draw, events)])))


def swap(draw: st.DrawFn, events: list[Any]) -> None:
    one, other = some(draw, events), some(draw, events)
    events[one], events[other] = events[other], events[one]


def change_field(draw: st.DrawFn, events: list[Any]) -> None:
    event = events[some(draw, events)]
    if isinstance(event, dict):
        field = draw(st.sampled_from(["ph", "cat", "name", "pid", "tid", "ts", "dur", "args"]))
        if draw(st.booleans()):
            event.pop(field, None)
        else:
            event[field] = draw(CATEGORIES if field == "cat" else ODD)


def change_argument(draw: st.DrawFn, events: list[Any]) -> None:
    event = events[some(draw, events)]
    arguments = event.get("args") if isinstance(event, dict) else None
    if isinstance(arguments, dict) and arguments:
        field = draw(st.sampled_from(sorted(arguments)))
        if draw(st.booleans()):
            del arguments[field]
        else:
            arguments[field] = draw(ODD)


def change_time(draw: st.DrawFn, events: list[Any]) -> None:
    """All events of a kind at once: another clock, other units, another sign."""
    category, factor = draw(CATEGORIES), draw(st.sampled_from([-1.0, 0.0, 1e-3, 1e3, 1e9]))
    offset, field = draw(st.sampled_from([0.0, -1e6, 5e3, 1e10])), draw(st.sampled_from(["ts", "dur"]))
    for event in events:
        if isinstance(event, dict) and event.get("cat") == category and isinstance(event.get(field), (int, float)):
            event[field] = event[field] * factor + offset


def change_identity(draw: st.DrawFn, events: list[Any]) -> None:
    """The same correlation, stream or device for all events of a kind."""
    field, value = draw(st.sampled_from(["correlation", "stream", "device", "External id"])), draw(st.integers(-2, 9))
    category = draw(CATEGORIES)
    for event in events:
        if isinstance(event, dict) and event.get("cat") == category and isinstance(event.get("args"), dict):
            event["args"][field] = value


def strange_event(draw: st.DrawFn, events: list[Any]) -> None:
    events[some(draw, events)] = draw(ODD)


Damage = Callable[[st.DrawFn, list[Any]], None]
DAMAGES: tuple[Damage, ...] = (
    *(drop, repeat, swap, change_field, change_field, change_argument, change_argument),
    *(change_time, change_identity, strange_event),
)


@st.composite
def overwritten(draw: st.DrawFn) -> bytes:
    """The text of a real trace, plain or gzipped, with bytes changed, cut out, put in or cut off."""
    data = text_of(draw(st.sampled_from(NAMES)))
    packed = draw(st.booleans())
    if packed and draw(st.booleans()):
        data = gzip.compress(data, 1)
        packed = False
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "cut out", "put in", "cut off", "double"])):
            case "change":
                data = data[:at] + draw(st.sampled_from(DIGITS) | st.binary(max_size=3)) + data[at + 1 :]
            case "cut out":
                data = data[:at] + data[at + draw(st.integers(1, 3_000)) :]
            case "put in":
                data = (
                    data[:at]
                    + draw(st.sampled_from([b"{", b"}", b"]", b",", b'"', b"NaN", b"-", b"1e999"]))
                    + data[at:]
                )
            case "cut off":
                data = data[:at]
            case "double":
                data = data[:at] + data
    return gzip.compress(data, 1) if packed else data


@BOUNDED
@given(restructured(), st.booleans())
def test_a_trace_of_another_structure_is_analysed_exactly_or_refused(data: bytes, parts_only: bool) -> None:
    ranks = analysed(data, parts_only=parts_only)
    if ranks:
        shown(ranks)


@BOUNDED
@given(overwritten(), st.booleans())
def test_a_trace_of_other_bytes_is_analysed_exactly_or_refused(data: bytes, parts_only: bool) -> None:
    analysed(data, parts_only=parts_only)


@BOUNDED
@given(restructured(rank(0)), restructured(rank(1)))
def test_a_job_of_damaged_ranks_is_told_and_costs_a_whole_one_nothing(first: bytes, second: bytes) -> None:
    answer = analyze_inputs(
        [TraceInput("0.json", first), TraceInput("1.json", second), TraceInput("whole.json", rank(0))]
    )
    assert answer.ranks[-1].name == "whole.json"
    assert answer.ranks[-1].span_ns == sum(part.ns for part in answer.ranks[-1].parts) > 0
    assert not [each.reason for each in answer.unreadable if BUG.search(each.reason)]
    if answer.job is not None:
        assert answer.job.span_ns == sum(part.ns for part in answer.job.parts)
    shown_answer(answer)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_damaged_here_is_analysed_where_it_is_whole(name: str) -> None:
    ranks = analysed(text_of(name), parts_only=False)
    assert len(ranks) == (2 if name == "both" else 1)
    assert all(math.isfinite(share.share) for rank in ranks for share in rank.shares)
