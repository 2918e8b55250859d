"""Each gap of a trace is laid at the door of what ended it, and no nanosecond is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.report.analysis import PartName
from profiler.trace.accounting import account
from profiler.trace.graph import build_graph
from profiler.trace.idle import idle_ns, late_launches
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import (
    Event,
    annotation,
    call,
    copy,
    frame,
    kernel,
    operation,
    public_trace,
    recording,
    timeline_of,
)


def idle_of(timeline: Timeline) -> dict[PartName, int]:
    told = account(timeline.device)
    return idle_ns(
        timeline, build_graph(timeline, told.start_ns, told.start_ns + told.span_ns), late_launches(timeline)
    )


def launch(at_us: float, correlation: int) -> Event:
    return call("cudaLaunchKernel", at_us, 2, correlation)


def test_a_launch_that_comes_after_the_gap_began_is_the_hosts_until_it_is_issued() -> None:
    timeline = timeline_of(
        launch(0, 1), kernel(5, 10, 1), operation("aten::mm", 15, 20), launch(30, 2), kernel(36, 5, 2)
    )
    assert idle_of(timeline) == {PartName.IDLE_HOST: 17_000, PartName.IDLE_LAUNCH_GAP: 4_000}


def test_a_launch_that_was_queued_before_leaves_a_launch_gap() -> None:
    timeline = timeline_of(launch(0, 1), launch(2, 2), kernel(5, 10, 1), kernel(17, 5, 2))
    assert idle_of(timeline) == {PartName.IDLE_LAUNCH_GAP: 2_000}


def test_a_host_that_was_blocked_when_the_gap_began_waits_in_a_sync_until_it_resumes() -> None:
    timeline = timeline_of(
        launch(0, 1),
        call("cudaStreamSynchronize", 3, 17),
        kernel(5, 10, 1),
        operation("aten::mm", 20, 10),
        launch(22, 2),
        kernel(24, 5, 2),
    )
    assert idle_of(timeline) == {PartName.IDLE_SYNC: 5_000, PartName.IDLE_HOST: 4_000}


def test_a_sync_that_began_after_the_device_ran_dry_is_host_work() -> None:
    timeline = timeline_of(
        launch(0, 1), kernel(5, 5, 1), call("cudaDeviceSynchronize", 12, 3), launch(18, 2), kernel(20, 5, 2)
    )
    assert idle_of(timeline) == {PartName.IDLE_HOST: 10_000}


def test_a_wait_for_the_data_loader_is_input() -> None:
    timeline = timeline_of(
        launch(0, 1),
        kernel(5, 5, 1),
        annotation("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", 12, 50),
        launch(68, 2),
        kernel(70, 5, 2),
    )
    assert idle_of(timeline) == {PartName.IDLE_INPUT: 50_000, PartName.IDLE_HOST: 10_000}


def test_the_staging_of_pageable_memory_is_not_the_hosts_launching() -> None:
    timeline = timeline_of(
        launch(0, 1),
        kernel(5, 5, 1),
        call("cudaMemcpyAsync", 20, 40, 2),
        copy("Memcpy HtoD (Pageable -> Device)", 50, 8, correlation=2),
    )
    assert idle_of(timeline) == {PartName.IDLE_HOST: 10_000, PartName.IDLE_STAGING: 30_000}


def test_what_waited_for_an_event_of_another_stream_waited_for_that() -> None:
    timeline = timeline_of(
        launch(0, 1),
        call("cudaEventRecord", 3, 1, 10),
        call("cudaStreamWaitEvent", 5, 1, 11),
        launch(7, 2),
        kernel(10, 20, 1, stream=7),
        kernel(33, 5, 2, stream=8),
    )
    # The trace does not name the event: the late start right after the other stream's end gives it away.
    assert idle_of(timeline) == {PartName.IDLE_OTHER_STREAM: 3_000}


def test_a_long_silence_of_the_host_is_time_in_which_nothing_was_asked() -> None:
    timeline = timeline_of(
        launch(0, 1), kernel(5, 5, 1), operation("aten::mm", 5_002, 10), launch(5_004, 2), kernel(5_010, 5, 2)
    )
    idle = idle_of(timeline)
    assert idle[PartName.IDLE_NOTHING_ASKED] == 4_992_000
    assert idle[PartName.IDLE_HOST] == 4_000


def test_a_slow_host_within_a_range_is_at_work() -> None:
    timeline = timeline_of(
        annotation("step 1", 0, 6_000), launch(0, 1), kernel(5, 5, 1), launch(5_004, 2), kernel(5_010, 5, 2)
    )
    assert PartName.IDLE_NOTHING_ASKED not in idle_of(timeline)


def test_the_range_of_a_profiler_s_step_says_nothing_of_the_host() -> None:
    timeline = timeline_of(
        annotation("ProfilerStep#1", 0, 6_000), launch(0, 1), kernel(5, 5, 1), launch(5_004, 2), kernel(5_010, 5, 2)
    )
    assert PartName.IDLE_NOTHING_ASKED in idle_of(timeline)


@pytest.mark.parametrize(
    ("function", "asked"),
    [("sched.py(1): schedule", True), ("<built-in method sleep>", False), ("threading.py(3): wait", False)],
)
def test_a_python_function_that_runs_is_work_and_one_that_waits_is_none(function: str, *, asked: bool) -> None:
    timeline = timeline_of(
        frame("loop.py(1): run_forever", 0, 6_000),
        frame(function, 10, 4_990),
        launch(0, 1),
        kernel(5, 5, 1),
        launch(5_004, 2),
        kernel(5_010, 5, 2),
    )
    assert (PartName.IDLE_NOTHING_ASKED not in idle_of(timeline)) is asked


def test_a_gap_before_a_kernel_without_launch_record_has_no_known_cause() -> None:
    timeline = timeline_of(launch(0, 1), kernel(5, 5, 1), kernel(20, 5, 99))
    assert idle_of(timeline) == {PartName.IDLE_UNKNOWN: 10_000}


def test_a_device_that_is_never_idle_waited_for_nothing() -> None:
    assert idle_of(timeline_of(launch(0, 1), kernel(5, 5, 1))) == {}


events_of_a_trace = st.lists(
    st.tuples(
        st.integers(0, 3_000),
        st.integers(0, 900),
        st.sampled_from(["launch", "copy", "sync", "loader", "orphan", "record", "wait"]),
        st.integers(7, 9),
        st.integers(0, 400),
    ),
    min_size=1,
    max_size=20,
)


@given(events_of_a_trace)
def test_the_causes_always_sum_to_the_idle_time(rows: list[tuple[int, int, str, int, int]]) -> None:
    events: list[Event] = [launch(0, 1_000), kernel(1, 1, 1_000)]
    for number, (start, length, what, stream, delay) in enumerate(rows, start=1):
        match what:
            case "launch":
                events += [launch(start, number), kernel(start + delay, length, number, stream)]
            case "copy":
                name = "Memcpy HtoD (Pageable -> Device)"
                events.append(call("cudaMemcpyAsync", start, delay + length, number))
                events.append(copy(name, start + delay, length, stream, correlation=number))
            case "sync":
                events.append(call("cudaStreamSynchronize", start, length))
            case "loader":
                events.append(annotation("enumerate(DataLoader)#x", start, length))
            case "record":
                events.append(call("cudaEventRecord", start, 1, number))
            case "wait":
                events.append(call("cudaStreamWaitEvent", start, 1, number))
            case _:
                events.append(kernel(start, length, 0, stream))
    timeline = timeline_of(*events)
    idle = idle_of(timeline)
    assert sum(idle.values()) == account(timeline.device).idle_ns
    assert all(ns > 0 for ns in idle.values())


@pytest.mark.parametrize("name", ["decode_b1_eager", "sync_every_op", "h2d_pageable", "stream_imbalance"])
def test_the_idle_time_of_a_recording_has_its_causes(name: str) -> None:
    timeline = recording(name)
    assert sum(idle_of(timeline).values()) == account(timeline.device).idle_ns


def test_a_public_trace_that_waits_for_its_data_loader_says_so() -> None:
    timeline = public_trace("h100_owlv2_large")
    idle = idle_of(timeline)
    assert sum(idle.values()) == account(timeline.device).idle_ns
    assert idle[PartName.IDLE_INPUT] > 0.9 * sum(idle.values())
