"""The critical path says what each instant of the span waited for, and leaves none out."""

from __future__ import annotations

from collections.abc import Container
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiler.report.trace_waits import PathKind
from profiler.trace.accounting import account
from profiler.trace.critical_path import PATH_KINDS, CriticalPath, critical_path
from profiler.trace.span_graph import span_graph
from profiler.trace.timeline import Timeline
from profiler.trace.window import window
from tests.unit.trace.trace_events import (
    PUBLIC,
    RECORDINGS,
    Event,
    call,
    copy,
    event,
    kernel,
    operation,
    public_trace,
    recording,
    timeline_of,
)

KERNEL, HOST, LAUNCH, SYNC, COPY = (
    PathKind.KERNEL,
    PathKind.HOST,
    PathKind.LAUNCH,
    PathKind.SYNC,
    PathKind.COPY,
)


def path_of(timeline: Timeline) -> CriticalPath:
    return critical_path(timeline, span_graph(timeline, account(timeline.device)))


def segments(*events: Event) -> list[tuple[PathKind, float]]:
    """Kind and microseconds of each segment, in the order of time."""
    path = path_of(timeline_of(*events))
    lasts = ((path.end_ns - path.begin_ns) / 1e3).tolist()
    return list(zip([PATH_KINDS[kind] for kind in path.kind.tolist()], lasts, strict=True))


def shares(timeline: Timeline) -> dict[PathKind, float]:
    path = path_of(timeline)
    lasts, kinds = path.end_ns - path.begin_ns, path.kind
    return {kind: float(lasts[kinds == number].sum() / lasts.sum()) for number, kind in enumerate(PATH_KINDS)}


def launch(at_us: float, correlation: int, tid: int = 1) -> Event:
    return call("cudaLaunchKernel", at_us, 2, correlation) | {"tid": tid}


def assert_is_a_path(timeline: Timeline) -> None:
    """It covers the span, what ran lies within its row, and who waited for no reason had an idle stream."""
    assert_covers_the_span(timeline)
    path, device = path_of(timeline), timeline.device
    kinds = [PATH_KINDS[kind] for kind in path.kind.tolist()]
    for kind, begin, end, row in zip(kinds, path.begin_ns, path.end_ns, path.row.tolist(), strict=True):
        if kind in (KERNEL, COPY, PathKind.COLLECTIVE):
            assert device.start_ns[row] <= begin < end <= device.end_ns[row]
        elif kind in (PathKind.UNKNOWN, LAUNCH) and row >= 0:
            its_own = (device.stream == device.stream[row]) & (device.end_ns > device.start_ns)
            assert not (its_own & (device.start_ns < end) & (device.end_ns > begin)).any()


def assert_covers_the_span(timeline: Timeline) -> None:
    path = path_of(timeline)
    start, end = timeline.device.span_ns
    if start == end:
        assert not len(path.begin_ns)
        return
    assert (path.begin_ns[0], path.end_ns[-1]) == (start, end)
    assert (path.begin_ns[1:] == path.end_ns[:-1]).all()
    assert (path.end_ns > path.begin_ns).all()


def test_kernels_that_are_queued_wait_for_each_other() -> None:
    assert segments(launch(0, 1), launch(2, 2), kernel(5, 100, 1), kernel(106, 50, 2)) == [
        (KERNEL, 100),
        (LAUNCH, 1),
        (KERNEL, 50),
    ]


def test_a_kernel_that_is_launched_late_waits_for_the_host_and_what_came_before_does_not_matter() -> None:
    found = segments(launch(0, 1), kernel(5, 100, 1), launch(200, 2), kernel(205, 50, 2))
    assert found == [(HOST, 197), (LAUNCH, 3), (KERNEL, 50)]


def test_a_host_that_blocked_waited_for_the_device() -> None:
    found = segments(
        launch(0, 1),
        kernel(5, 100, 1),
        call("cudaDeviceSynchronize", 10, 99),
        launch(200, 2),
        kernel(205, 50, 2),
    )
    assert found == [(KERNEL, 100), (SYNC, 4), (HOST, 93), (LAUNCH, 3), (KERNEL, 50)]


def test_a_sync_that_had_nothing_to_wait_for_is_the_hosts_work() -> None:
    found = segments(
        launch(0, 1), kernel(5, 10, 1), call("cudaDeviceSynchronize", 40, 5), launch(50, 2), kernel(55, 50, 2)
    )
    assert found == [(HOST, 47), (LAUNCH, 3), (KERNEL, 50)]


def test_a_stream_that_waits_for_an_event_waited_for_what_another_stream_ran() -> None:
    found = segments(
        launch(0, 1),
        kernel(5, 100, 1, stream=7),
        call("cudaEventRecord", 4, 1, 2),
        call("cudaStreamWaitEvent", 6, 1, 3),
        event("cuda_sync", "Stream Wait Event", 6, 1, correlation=3, stream=9)
        | {"args": {"correlation": 3, "stream": 9, "wait_on_cuda_event_record_corr_id": 2, "wait_on_stream": 7}},
        launch(8, 4),
        kernel(107, 50, 4, stream=9),
    )
    assert found == [(KERNEL, 100), (PathKind.OTHER_STREAM, 2), (KERNEL, 50)]


def test_a_kernel_that_waited_long_without_a_reason_waited_for_what_another_stream_ran_before() -> None:
    found = segments(launch(0, 1), launch(3, 2), kernel(5, 300, 1, stream=7), kernel(330, 50, 2, stream=9))
    assert found == [(KERNEL, 300), (PathKind.OTHER_STREAM, 25), (KERNEL, 50)]


def test_a_kernel_without_a_launch_waited_for_nobody_knows_what() -> None:
    assert segments(kernel(0, 100), kernel(130, 50)) == [(KERNEL, 100), (PathKind.UNKNOWN, 30), (KERNEL, 50)]


def test_a_copy_of_pageable_memory_that_was_queued_waited_for_the_queue() -> None:
    name = "Memcpy DtoH (Device -> Pageable)"
    found = segments(
        launch(0, 1),
        kernel(5, 300, 1),
        call("cudaMemcpyAsync", 10, 320, 2),
        copy(name, 306, 20, correlation=2),
    )
    assert found == [(KERNEL, 300), (LAUNCH, 1), (COPY, 20)]


def test_a_copy_of_pageable_memory_onto_an_idle_device_waited_for_the_host() -> None:
    name = "Memcpy HtoD (Pageable -> Device)"
    found = segments(
        launch(0, 1), kernel(5, 10, 1), call("cudaMemcpyAsync", 100, 230, 2), copy(name, 300, 20, correlation=2)
    )
    assert found == [(HOST, 295), (COPY, 20)]


@pytest.mark.parametrize("name", PUBLIC)
def test_it_covers_the_span_of_a_public_trace(name: str) -> None:
    assert_is_a_path(public_trace(name))


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json.gz")), ids=lambda path: path.name.partition(".")[0])
def test_it_covers_the_span_of_a_recording(path: Path) -> None:
    assert_is_a_path(recording(path.name.partition(".")[0]))


@pytest.mark.parametrize("followed", [True, False])
@pytest.mark.parametrize("name", ["decode_b1_eager", "sync_every_op", "stream_imbalance", "h2d_pageable"])
def test_it_covers_a_window_that_was_cut_out(name: str, followed: bool) -> None:
    timeline = recording(name)
    start, end = timeline.device.span_ns
    for first, last in ((0.1, 0.3), (0.25, 0.9), (0.5, 0.500001)):
        lasts = end - start
        cut = window(timeline, start + int(first * lasts), start + int(last * lasts), followed=followed)
        assert cut.device.window_ns == cut.device.span_ns
        assert_covers_the_span(cut)


@pytest.mark.parametrize(
    ("name", "kind", "least"),
    [
        ("copy_stream", COPY, 0.97),
        ("gemm_large", KERNEL, 0.97),
        ("h2d_pageable", COPY, 0.65),
        ("decode_b256_graph", KERNEL, 0.98),
        ("tiny_kernels", HOST, 0.99),
        ("slow_host", HOST, 0.98),
        ("sync_every_op", HOST, 0.85),
        ("stream_imbalance", KERNEL, 0.95),
        ("decode_offload_4layers", COPY, 0.9),
    ],
)
def test_it_leads_through_what_a_recording_was_made_to_wait_for(name: str, kind: PathKind, least: float) -> None:
    assert shares(recording(name))[kind] >= least


def test_a_loop_that_waits_for_its_data_loader_spends_its_path_on_the_host_where_the_device_is_idle() -> None:
    timeline = public_trace("h100_owlv2_large")
    told = account(timeline.device)
    assert shares(timeline)[HOST] == pytest.approx(told.idle_ns / told.span_ns, abs=0.01)


def event_wait(at_us: float, recorded: int, stream: int, correlation: int = 90) -> list[Event]:
    """A stream that is made to wait for the event of a record call."""
    waits_for = {"wait_on_cuda_event_record_corr_id": recorded, "wait_on_stream": 7}
    named = event("cuda_sync", "Stream Wait Event", at_us, 1, correlation=correlation, stream=stream, **waits_for)
    return [call("cudaStreamWaitEvent", at_us, 1, correlation), named]


def event_record(at_us: float, correlation: int, stream: int) -> list[Event]:
    named = event("cuda_sync", "Event Record", at_us, 1, correlation=correlation, stream=stream)
    return [call("cudaEventRecord", at_us, 1, correlation), named]


def test_streams_that_would_wait_for_each_other_s_later_events_do_not() -> None:
    timeline = timeline_of(
        *event_wait(0, 32, stream=7, correlation=31),
        launch(1, 1),
        *event_wait(4, 33, stream=8, correlation=34),
        launch(5, 2),
        *event_record(8, 32, stream=8),
        *event_record(10, 33, stream=7),
        kernel(20, 10, 1, stream=7),
        kernel(31, 10, 2, stream=8),
    )
    assert_is_a_path(timeline)
    assert span_graph(timeline, account(timeline.device)).held_by == [[], [0]]  # of which the times tell


def test_a_graph_that_runs_in_a_circle_has_a_path_to_where_it_closes() -> None:
    kernels = [kernel(5, 10, 1), kernel(30, 10, 2, stream=8), kernel(50, 10, 3, stream=9)]
    timeline = timeline_of(launch(0, 1), launch(3, 2), launch(6, 3), *kernels)
    graph = replace(span_graph(timeline, account(timeline.device)), held_by=[[], [2], [1]])
    path = critical_path(timeline, graph)
    kinds = [PATH_KINDS[kind] for kind in path.kind.tolist()]
    assert kinds == [PathKind.UNKNOWN, KERNEL, PathKind.OTHER_STREAM, KERNEL]


def eager(orphans: Container[int] = (), kernel_us: float = 5, period_us: float = 20) -> Timeline:
    """A loop that launches a kernel each period; of some the launch was not recorded."""
    events = [
        kernel(max(number * period_us + 6, 6 + number * kernel_us), kernel_us, number + 1) for number in range(99)
    ]
    return timeline_of(
        *events, *(launch(number * period_us, number + 1) for number in range(99) if number not in orphans)
    )


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 98), max_size=25), st.sampled_from([20.0, 1.0]))
def test_launches_that_were_not_recorded_leave_no_more_unknown_than_their_kernels_waited(
    orphans: set[int], period_us: float
) -> None:
    found = shares(eager(orphans, period_us=period_us))
    assert found[PathKind.UNKNOWN] <= len(orphans) / 99
    kind = HOST if period_us > 5 else KERNEL
    assert found[kind] >= shares(eager(period_us=period_us))[kind] - len(orphans) / 99 - 0.01


def test_a_kernel_that_began_before_its_predecessor_ended_waited_for_that() -> None:
    found = segments(launch(0, 1), launch(2, 2), launch(4, 3), kernel(6, 60, 1), kernel(50, 40, 2), kernel(91, 20, 3))
    assert found == [(KERNEL, 44), (KERNEL, 40), (LAUNCH, 1), (KERNEL, 20)]


def test_a_branch_of_a_graph_that_is_long_over_frees_no_stream() -> None:
    branches = [kernel(20, 18, 1), kernel(21, 5, 1), kernel(40, 18, 1)]
    found = segments(call("cudaGraphLaunch", 0, 10, 1), *branches)
    assert found == [(KERNEL, 18), (LAUNCH, 2), (KERNEL, 18)]


TIMES = st.integers(0, 500)
STREAMS, EVENT_NUMBERS = st.integers(6, 8), st.integers(31, 34)
EVENTS = st.one_of(
    st.builds(event_wait, TIMES, EVENT_NUMBERS, STREAMS, st.integers(41, 44)),
    st.builds(event_record, TIMES, EVENT_NUMBERS, STREAMS),
    st.builds(kernel, TIMES, st.integers(0, 90), st.integers(0, 8), st.integers(6, 8)),
    st.builds(launch, TIMES, st.integers(1, 8), st.integers(1, 2)),
    st.builds(call, st.sampled_from(["cudaStreamSynchronize", "cudaEventRecord"]), TIMES, st.integers(0, 200)),
    st.builds(
        copy, st.just("Memcpy HtoD (Pageable -> Device)"), TIMES, st.integers(0, 90), correlation=st.integers(1, 8)
    ),
    st.builds(operation, st.just("aten::mm"), TIMES, st.integers(0, 90), st.integers(1, 2)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=14))
def test_it_covers_the_span_whatever_a_trace_holds(events: list[Event | list[Event]]) -> None:
    assert_is_a_path(timeline_of(*chain.from_iterable(each if isinstance(each, list) else [each] for each in events)))
