"""The critical path says what each instant of the span waited for, and leaves none out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    assert_covers_the_span(public_trace(name))


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json.gz")), ids=lambda path: path.name.partition(".")[0])
def test_it_covers_the_span_of_a_recording(path: Path) -> None:
    assert_covers_the_span(recording(path.name.partition(".")[0]))


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


TIMES = st.integers(0, 500)
EVENTS = st.one_of(
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
def test_it_covers_the_span_whatever_a_trace_holds(events: list[Event]) -> None:
    assert_covers_the_span(timeline_of(*events))
