"""What had to wait for what in a traced step. Times in microseconds."""

from __future__ import annotations

import pytest

from profiler.trace.graph import DependencyGraph, build_graph
from profiler.trace.inline_graph import build_inline_graph
from profiler.trace.steps import cut, steps_of
from profiler.trace.timeline import Activity
from tests.unit.trace.trace_events import Event, annotation, call, copy, event, kernel, public_trace, timeline_of

LAUNCH, SYNC = "cudaLaunchKernel", "cudaDeviceSynchronize"


def graph(*events: Event, until_us: float = 1000) -> DependencyGraph:
    return build_graph(timeline_of(*events), 0, int(until_us * 1000))


def launch(start: float, duration: float, correlation: int) -> Event:
    return call(LAUNCH, start, duration, correlation)


def event_record(start: float, correlation: int) -> Event:
    return call("cudaEventRecord", start, 1, correlation)


def waiting(kind: str, stream: int, correlation: int, record: int, recorded_on: int) -> Event:
    """What Kineto writes beside the runtime call of a wait."""
    return event(
        "cuda_sync",
        kind,
        0,
        1,
        correlation=correlation,
        stream=stream,
        wait_on_stream=recorded_on,
        wait_on_cuda_event_record_corr_id=record,
    )


def test_the_host_works_between_its_calls():
    found = graph(launch(10, 5, 1), kernel(20, 30, 1), launch(40, 5, 2), kernel(60, 30, 2), until_us=100)
    assert found.gap_us == [10, 25]
    assert found.call_us == [5, 5]
    assert found.tail_us == [55]
    assert found.host_us == 100
    assert found.wall_us == 100


def test_calls_that_neither_launch_nor_wait_are_plain_host_work():
    found = graph(call("cudaGetDevice", 5, 3, 9), launch(10, 5, 1), kernel(20, 30, 1))
    assert (found.kind, found.gap_us) == (["launch"], [10])


def test_an_idle_stream_s_kernel_waited_for_its_launch_and_a_busy_one_s_for_the_stream():
    found = graph(launch(10, 5, 1), kernel(18, 30, 1), launch(16, 5, 2), kernel(49, 30, 2))
    assert found.launched_by == [0, 1]
    assert (found.issue_delay_us[0], found.stream_gap_us[1]) == (3, 1)


def test_a_kernel_may_start_before_its_launching_call_returns():
    found = graph(launch(10, 20, 1), kernel(14, 30, 1))
    assert found.issue_delay_us == [-16]


def test_kernels_of_one_graph_launch_follow_each_other():
    found = graph(call("cudaGraphLaunch", 10, 20, 1), kernel(25, 5, 1), kernel(32, 5, 1), kernel(38, 5, 1), until_us=60)
    assert found.kind == ["graph_launch"]
    assert found.launched_by == [0, 0, 0]
    assert found.stream_gap_us[1:] == [2, 1]


def test_a_kernel_without_a_launch_record_was_launched_before_the_step():
    found = graph(kernel(4, 10), launch(10, 5, 1), kernel(20, 30, 1))
    assert found.launched_by == [-1, 0]
    assert found.issue_delay_us[0] == 4


def test_a_sync_waits_for_the_last_activity_of_each_stream():
    found = graph(
        launch(10, 5, 1),
        kernel(20, 10, 1),
        launch(16, 5, 2),
        kernel(30, 10, 2),
        launch(22, 5, 3),
        kernel(31, 40, 3, stream=8),
        call(SYNC, 30, 45, 4),
    )
    assert found.waits_for == [[], [], [], [1, 2]]
    assert (found.call_us[3], found.wake_us[3]) == (0, 4)


def test_a_sync_that_finds_the_device_idle_is_host_work():
    found = graph(launch(10, 5, 1), kernel(20, 10, 1), call(SYNC, 50, 3, 2))
    assert (found.call_us[1], found.wake_us[1]) == (3, 0)


def test_a_sync_does_not_wait_for_what_was_still_running_when_it_returned():
    found = graph(launch(10, 5, 1), kernel(20, 10, 1), launch(16, 2, 2), kernel(31, 100, 2), call(SYNC, 25, 7, 3))
    assert found.waits_for[2] == [0]


def test_a_stream_s_sync_waits_for_that_stream_alone():
    found = graph(
        launch(10, 5, 1),
        kernel(20, 10, 1),
        launch(16, 5, 2),
        kernel(22, 5, 2, stream=8),
        call("cudaStreamSynchronize", 25, 20, 3),
        event("cuda_sync", "Stream Sync", 25, 20, correlation=3, stream=8),
    )
    assert found.waits_for[2] == [1]


def test_a_pageable_copy_holds_its_caller_and_a_pinned_one_does_not():
    def found(memory: str) -> DependencyGraph:
        return graph(
            call("cudaMemcpyAsync", 10, 100, 1), copy(f"Memcpy HtoD ({memory} -> Device)", 30, 78, correlation=1)
        )

    assert found("Pageable").waits_for == [[0]]
    assert (found("Pageable").call_us, found("Pageable").wake_us) == ([20], [2])
    assert found("Pinned").waits_for == [[]]
    assert found("Pinned").call_us == [100]
    assert found("Pinned").activity == [Activity.H2D]


def test_an_event_holds_a_stream_until_what_it_recorded_is_over():
    found = graph(
        launch(10, 2, 1),
        kernel(15, 100, 1),
        event_record(14, 2),
        call("cudaStreamWaitEvent", 16, 1, 3),
        waiting("Stream Wait Event", stream=8, correlation=3, record=2, recorded_on=7),
        launch(18, 2, 4),
        kernel(115, 10, 4, stream=8),
        launch(22, 2, 5),
        kernel(125, 10, 5, stream=8),
    )
    assert found.held_by == [[], [0], []]


def test_a_host_that_waits_for_an_event_waits_only_for_what_it_recorded():
    found = graph(
        launch(10, 2, 1),
        kernel(15, 20, 1),
        event_record(14, 2),
        launch(16, 2, 3),
        kernel(20, 17, 3, stream=8),
        call("cudaEventSynchronize", 20, 18, 4),
        waiting("Event Sync", stream=-1, correlation=4, record=2, recorded_on=7),
    )
    assert found.waits_for[-1] == [0]


def test_a_late_start_at_another_stream_s_end_is_taken_for_a_wait():
    found = graph(launch(10, 2, 1), kernel(15, 100, 1), launch(14, 2, 2), kernel(116, 10, 2, stream=8))
    assert found.held_by == [[], [0]]


def test_nothing_is_taken_to_wait_for_what_was_launched_after_it():
    found = graph(launch(10, 2, 1), kernel(60, 10, 1), launch(14, 2, 2), kernel(20, 39, 2, stream=8))
    assert found.held_by == [[], []]


def test_an_event_that_is_recorded_after_the_wait_for_it_holds_nobody():
    found = graph(
        call("cudaStreamWaitEvent", 1, 1, 3),
        waiting("Stream Wait Event", stream=8, correlation=3, record=2, recorded_on=7),
        call("cudaEventSynchronize", 3, 1, 4),
        waiting("Event Sync", stream=-1, correlation=4, record=2, recorded_on=7),
        launch(10, 2, 1),
        kernel(15, 100, 1),
        event_record(14, 2),
        launch(18, 2, 5),
        kernel(21, 10, 5, stream=8),
    )
    assert (found.held_by, any(found.waits_for)) == ([[], []], False)


def test_a_kernel_whose_launch_was_not_recorded_stands_where_it_ran_in_its_stream():
    found = graph(launch(10, 2, 1), kernel(15, 20, 1), kernel(40, 5), launch(41, 2, 3), kernel(50, 7, 3))
    assert (found.launched_by, found.duration_us) == ([0, -1, 1], [20, 5, 7])
    assert found.stream_gap_us[1] == 5  # since nobody knows what it waited for


def test_two_threads_that_fill_one_stream_fill_it_in_the_order_in_which_it_runs():
    late = call("cudaLaunchKernel", 10, 20, 1)  # another thread's call holds the lock
    found = graph(late, launch(12, 2, 2) | {"tid": 2}, kernel(15, 5, 2), kernel(32, 9, 1))
    assert (found.launched_by, found.start_us) == ([1, 0], [15, 32])


def test_a_kernel_that_began_before_the_end_of_what_its_stream_ran_overlaps_with_that():
    branches = [kernel(25, 50, 1), kernel(30, 10, 1), kernel(60, 30, 1), kernel(92, 5, 1)]
    assert graph(launch(10, 5, 1), *branches).stream_gap_us[1:] == [30 - 75, 60 - 75, 2]


def test_a_sync_waited_for_what_was_over_when_it_returned_and_on_its_own_stream_first():
    events = [launch(10, 2, 1), launch(14, 2, 2), kernel(15, 20, 1), kernel(36, 90, 1), kernel(16, 21, 2, stream=8)]
    assert graph(*events, call("cudaDeviceSynchronize", 20, 18, 9)).waits_for[-1] == [0, 2]
    own = event("cuda_sync", "Stream Sync", 20, 1, correlation=9, stream=8)
    assert graph(*events, call("cudaStreamSynchronize", 20, 18, 9), own).waits_for[-1] == [2]


def test_a_start_soon_after_its_launch_waited_for_nothing_else():
    found = graph(launch(10, 2, 1), kernel(15, 5, 1), launch(14, 2, 2), kernel(21, 10, 2, stream=8))
    assert found.held_by == [[], []]


def test_equal_streams_of_two_devices_are_two_queues():
    other = kernel(20, 30, 2)
    other["args"]["device"] = 1
    found = graph(launch(10, 5, 1), kernel(18, 30, 1), launch(16, 2, 2), other)
    assert found.stream[0] != found.stream[1]


def test_threads_have_clocks_of_their_own():
    found = graph(
        launch(10, 5, 1),
        kernel(20, 5, 1),
        event("cuda_runtime", LAUNCH, 12, 5, tid=2, correlation=2),
        kernel(30, 5, 2),
        until_us=40,
    )
    assert found.thread == [0, 1]
    assert found.gap_us == [10, 12]
    assert found.tail_us == [25, 23]
    assert found.host_us == 40


def test_the_step_ends_when_host_and_device_are_through():
    assert graph(launch(10, 5, 1), kernel(20, 100, 1), until_us=50).wall_us == 120
    assert graph(launch(10, 5, 1), kernel(20, 10, 1), until_us=50).wall_us == 50


def test_a_step_without_calls_is_all_host_work():
    found = graph(until_us=30)
    assert (found.tail_us, found.host_us, found.wall_us, found.stream) == ([30], 30, 30, [])


def test_a_trace_that_names_its_events_holds_streams_by_them():
    timeline = public_trace("hta_event_sync_multi_stream")
    ends = int(max(timeline.device.end_ns.max(), timeline.host.end_ns.max()))
    found = build_graph(timeline, int(timeline.host.start_ns.min()), ends)
    held = [(index, other) for index, others in enumerate(found.held_by) for other in others]
    assert held
    for index, other in held:
        assert found.stream[index] != found.stream[other]
        assert found.start_us[index] >= found.start_us[other] + found.duration_us[other]


def test_a_processor_that_works_within_the_host_s_calls_waits_for_nobody():
    timeline = timeline_of(annotation("step 0", 0, 100), kernel(10, 20), kernel(40, 30))
    step = steps_of(timeline)[0]
    found = build_inline_graph(cut(timeline, step), step.start_ns, step.end_ns)
    assert found.gap_us == [10, 10]
    assert found.duration_us == [20, 30]
    assert found.tail_us == [30]
    assert (found.host_us, found.wall_us) == (pytest.approx(50), 100)
    assert found.waits_for == [[0], [1]]
