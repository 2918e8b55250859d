"""A window of a trace is accounted for to the nanosecond, and knows what its idle time was spent waiting for."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.attribute.replay import ActivityCosts, Calibration, replay
from profiler.report.analysis import PartName
from profiler.report.vocabulary import Resource
from profiler.trace.accounting import Accounting, account, exclusive_ns
from profiler.trace.idle import idle_ns, late_launches
from profiler.trace.integrity import check
from profiler.trace.span_graph import span_graph
from profiler.trace.timeline import Call, Timeline
from profiler.trace.window import window
from tests.unit.trace.trace_events import call, copy, kernel, operation, recording, timeline_of

EVENTS = st.one_of(
    st.builds(kernel, st.integers(0, 400), st.integers(0, 90), st.integers(0, 6), st.integers(6, 8)),
    st.builds(
        copy,
        st.sampled_from(["Memcpy HtoD (Pinned -> Device)", "Memcpy DtoD"]),
        st.integers(0, 400),
        st.integers(0, 90),
    ),
    st.builds(
        call,
        st.sampled_from(["cudaLaunchKernel", "cudaStreamSynchronize"]),
        st.integers(0, 400),
        st.integers(0, 90),
        st.integers(0, 6),
    ),
    st.builds(operation, st.sampled_from(["aten::mm", "aten::add"]), st.integers(0, 400), st.integers(0, 90)),
)
ADDED_UP = ("span_ns", "busy_ns", "idle_ns", "kernel_ns", "compute_ns", "copy_ns", "exposed_copy_ns")


def assert_sums(timeline: Timeline, cuts: list[int]) -> None:
    """Windows that partition the span sum to the whole, in all that is time."""
    whole = account(timeline.device)
    start, end = timeline.device.span_ns
    borders = [start, *sorted(cut for cut in cuts if start < cut < end), end]
    windows = [window(timeline, *pair) for pair in itertools.pairwise(borders)]
    told = [account(each.device) for each in windows]
    for name in ADDED_UP:
        assert sum(getattr(each, name) for each in told) == getattr(whole, name), name
    for each, cut, (first, last) in zip(told, windows, itertools.pairwise(borders), strict=True):
        assert (each.start_ns, each.span_ns) == (first, last - first)
        assert int(exclusive_ns(cut.device).sum()) == each.busy_ns


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=14), st.lists(st.integers(0, 500_000), max_size=4))
def test_windows_that_partition_the_span_sum_to_the_whole(events: list[dict[str, Any]], cuts: list[int]) -> None:
    timeline = timeline_of(*events)
    assert_sums(timeline, cuts)


@pytest.mark.parametrize("name", ["decode_b1_eager", "stream_imbalance", "h2d_pinned_overlapped", "slow_host"])
@pytest.mark.parametrize("pieces", [2, 7])
def test_windows_of_a_recording_sum_to_it(name: str, pieces: int) -> None:
    timeline = recording(name)
    start, end = timeline.device.span_ns
    assert_sums(timeline, np.linspace(start, end, pieces + 1, dtype=np.int64)[1:-1].tolist())


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=14), st.integers(0, 400_000), st.integers(1, 200_000))
def test_every_link_within_a_window_is_one_of_the_trace(events: list[dict[str, Any]], start: int, length: int) -> None:
    timeline = timeline_of(*events)
    cut = window(timeline, start, start + length, followed=True)
    for table in (cut.device, cut.host, cut.operations, cut.ranges):
        assert bool((np.diff(table.start_ns) >= 0).all())
        assert bool(((table.start_ns >= start) & (table.end_ns <= start + length)).all())
    names = {timeline.names[name] for name in timeline.host.name.tolist()}
    for row, launcher in enumerate(cut.device.call.tolist()):
        if launcher >= 0:
            assert cut.name_of(cut.host.name, launcher) in names
            assert cut.host.correlation[launcher] == cut.device.correlation[row]


def test_what_straddles_a_border_is_clipped_and_what_lies_outside_is_gone() -> None:
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 2, 1),
        kernel(5, 10, 1),
        call("cudaLaunchKernel", 30, 2, 2),
        kernel(40, 10, 2),
        call("cudaLaunchKernel", 60, 2, 3),
        kernel(70, 10, 3),
    )
    cut = window(timeline, 10_000, 45_000)
    assert cut.device.start_ns.tolist() == [10_000, 40_000]
    assert cut.device.end_ns.tolist() == [15_000, 45_000]
    assert cut.host.start_ns.tolist() == [10_000, 30_000]  # the first was called before: it takes no time here
    assert cut.host.end_ns.tolist() == [10_000, 32_000]
    assert cut.device.call.tolist() == [0, 1]


def test_a_call_that_launches_only_what_runs_later_is_plain_work_and_no_lost_kernel() -> None:
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 2, 1), kernel(5, 10, 1), call("cudaLaunchKernel", 6, 2, 2), kernel(15, 10, 2)
    )
    cut = window(timeline, 5_000, 15_000)
    assert cut.host.kind.tolist() == [Call.LAUNCH, Call.OTHER]
    assert check(cut) == []


def judged(timeline: Timeline, start_us: int, end_us: int) -> tuple[Accounting, dict[PartName, int], float]:
    """The account of a window, its idle time by cause, and what its replay takes if the host is twice as fast."""
    cut = window(timeline, start_us * 1_000, end_us * 1_000, followed=True)
    told = account(cut.device)
    graph = span_graph(cut, told)
    costs = ActivityCosts(np.zeros(len(graph.duration_us)), {Resource.ISSUE: np.array(graph.duration_us)})
    assert replay(graph, costs, Calibration()).period_us == pytest.approx(told.span_ns / 1e3)
    return (
        told,
        idle_ns(cut, graph, late_launches(cut)),
        replay(graph, costs, Calibration(), {Resource.HOST: 2.0}).period_us,
    )


def test_idle_time_at_the_end_of_a_window_is_laid_at_the_door_of_what_ends_it() -> None:
    """A step that ends when the next begins: the host is late with the next one's first launch."""
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 2, 1), kernel(2, 10, 1), call("cudaLaunchKernel", 90, 10, 2), kernel(100, 10, 2)
    )
    told, idle, faster_us = judged(timeline, 2, 100)
    assert (told.busy_ns, told.idle_ns) == (10_000, 88_000)
    assert idle == {PartName.IDLE_HOST: 88_000}
    assert faster_us == pytest.approx(49)


def test_a_host_that_runs_ahead_does_not_hold_a_window_back() -> None:
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 2, 1),
        kernel(2, 50, 1),
        call("cudaLaunchKernel", 4, 20, 2),
        kernel(52, 50, 2),
        call("cudaLaunchKernel", 30, 40, 3),
        kernel(102, 50, 3),
    )
    told, idle, faster_us = judged(timeline, 2, 102)
    assert (told.idle_ns, idle) == (0, {})
    assert faster_us == pytest.approx(100)


def test_an_empty_window_is_idle_throughout() -> None:
    timeline = timeline_of(kernel(0, 10), kernel(100, 10))
    told = account(window(timeline, 20_000, 90_000).device)
    assert (told.span_ns, told.busy_ns, told.idle_ns, told.streams) == (70_000, 0, 70_000, [])
