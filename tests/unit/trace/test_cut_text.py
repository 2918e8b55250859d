"""A trace that ends too early is read up to there, wherever that is."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.errors import UnreadableError
from profiler.trace.kineto import read_kineto
from profiler.trace.reading_flaws import Cut
from profiler.trace.slices import each_slice
from tests.unit.trace.trace_events import RECORDINGS, call, kernel, operation, trace_bytes

PACKED = (RECORDINGS / "stream_imbalance.json.gz").read_bytes()
TEXT = gzip.decompress(PACKED)
EVENTS = json.loads(TEXT)["traceEvents"]
FIRST_EVENT = TEXT.index(b"{", TEXT.index(b"traceEvents"))


def read(text: bytes, slice_bytes: int) -> tuple[list[Any], Cut]:
    found: list[Any] = []

    def take(listed: bytes | msgspec.Raw) -> None:
        found.extend(msgspec.json.decode(listed))

    return found, each_slice([text], take, slice_bytes).cut


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(FIRST_EVENT + 600, len(TEXT) - 1), st.sampled_from([600, 20_000, 1 << 20]))
def test_wherever_a_real_trace_is_cut_off_all_events_before_are_read(end: int, slice_bytes: int) -> None:
    found, cut = read(TEXT[:end], slice_bytes)
    assert found == EVENTS[: len(found)]
    assert cut is (Cut.AFTER_EVENTS if len(found) == len(EVENTS) else Cut.WITHIN_EVENTS)
    rest = TEXT[:end].count(b'"ph"') - len(found)  # the event that was cut off, and the others were whole
    assert rest <= 1


def test_a_whole_trace_is_cut_nowhere() -> None:
    assert read(TEXT, 1 << 20) == (EVENTS, Cut.NOWHERE)
    assert read_kineto(PACKED).flaws.cut is Cut.NOWHERE


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.8])
def test_a_gzip_that_was_cut_off_gives_what_it_holds(fraction: float) -> None:
    timeline = read_kineto(PACKED[: int(fraction * len(PACKED))])
    assert timeline.flaws.cut is Cut.WITHIN_EVENTS
    assert 0 < timeline.flaws.events < read_kineto(PACKED).flaws.events


def test_a_gzip_without_its_last_bytes_has_lost_nothing() -> None:
    timeline = read_kineto(PACKED[:-8])
    assert timeline.flaws == read_kineto(PACKED).flaws
    assert timeline.flaws.cut is Cut.NOWHERE


@pytest.mark.parametrize("end", [b'{"schemaVersion": 1, "tra', b'{"traceEvents": [', b'[{"ph": "X", "args": {"a": {}'])
def test_what_ends_before_its_first_event_is_no_trace(end: bytes) -> None:
    with pytest.raises(UnreadableError, match="it ends before"):
        read_kineto(end)


def test_what_is_broken_in_its_middle_is_no_trace() -> None:
    middle = TEXT.index(b'"ph"', len(TEXT) // 2)
    with pytest.raises(UnreadableError, match="is not a PyTorch profiler trace"):
        read_kineto(TEXT[:middle] + b"}" + TEXT[middle:])


def test_events_without_a_time_are_dropped_and_counted() -> None:
    timeless = kernel(0, 10)
    del timeless["ts"]
    timeline = read_kineto(trace_bytes([timeless, kernel(20, 10), operation("aten::mm", 0, 5)]))
    assert (timeline.flaws.timeless, timeline.flaws.events, len(timeline.device)) == (1, 2, 1)
    assert timeline.device.start_ns.tolist() == [20_000]


def test_events_that_end_before_they_begin_last_no_time_and_are_counted() -> None:
    timeline = read_kineto(trace_bytes([kernel(5, -3), kernel(20, 10), call("cudaLaunchKernel", 0, -1)]))
    assert timeline.flaws.negative == 2
    assert (timeline.device.end_ns - timeline.device.start_ns).tolist() == [0, 10_000]
    assert (timeline.host.end_ns - timeline.host.start_ns).tolist() == [0]


def test_a_named_pipe_is_read_and_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableError, match="is empty"):
        read_kineto(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # so that opening the pipe to write does not wait
    writer = os.open(pipe, os.O_WRONLY)

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(TEXT)

    thread = threading.Thread(target=write)
    thread.start()
    timeline = read_kineto(pipe)
    thread.join()
    os.close(reader)  # no sooner: writing to a pipe that nobody has open fails
    assert timeline.flaws == read_kineto(PACKED).flaws
