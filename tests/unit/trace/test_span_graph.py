"""The graph of a whole trace takes as long as the trace's span, whatever the host did around it."""

from __future__ import annotations

import pytest

from profiler.attribute.replay import ActivityCosts, Calibration, replay
from profiler.report.vocabulary import Resource
from profiler.trace.accounting import account
from profiler.trace.graph import DependencyGraph
from profiler.trace.span_graph import span_graph
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import call, kernel, public_trace, recording, timeline_of


def graph_of(timeline: Timeline) -> DependencyGraph:
    return span_graph(timeline, account(timeline.device))


def period_us(graph: DependencyGraph, host_speed: float = 1.0, kernel_speed: float = 1.0) -> float:
    costs = ActivityCosts.of([0.0] * len(graph.duration_us), {Resource.ISSUE: graph.duration_us})
    speeds = {Resource.HOST: host_speed, Resource.ISSUE: kernel_speed}
    return replay(graph, costs, Calibration(), speeds).period_us


@pytest.mark.parametrize(
    "name", ["h100_qwen1.5_0.5b", "h100_owlv2_large", "mi300_vllm_decode_graph", "hta_ns_resolution"]
)
def test_a_replay_takes_the_span_of_a_public_trace(name: str) -> None:
    timeline = public_trace(name)
    assert period_us(graph_of(timeline)) == pytest.approx(account(timeline.device).span_ns / 1e3, rel=1e-3)


@pytest.mark.parametrize("name", ["decode_b1_eager", "decode_b16_graph", "h2d_pageable", "stream_imbalance"])
def test_a_replay_takes_the_span_of_a_recording(name: str) -> None:
    timeline = recording(name)
    assert period_us(graph_of(timeline)) == pytest.approx(account(timeline.device).span_ns / 1e3, rel=1e-3)


def test_a_slow_first_launch_before_the_device_works_takes_no_time() -> None:
    timeline = timeline_of(call("hipGraphLaunch", 0, 9_000, 1), kernel(8_000, 10, 1), kernel(8_010, 10, 1))
    assert period_us(graph_of(timeline)) == pytest.approx(20)


def test_what_a_thread_does_after_its_last_call_takes_no_time() -> None:
    timeline = timeline_of(
        call("cudaLaunchKernel", 0, 2, 1), kernel(5, 100, 1), call("cudaDeviceSynchronize", 104, 500)
    )
    assert period_us(graph_of(timeline)) == pytest.approx(100)


def test_threads_that_take_turns_wait_for_each_other() -> None:
    main, backward = {"tid": 1}, {"tid": 2}
    events = [
        call("cudaLaunchKernel", 0, 2, 1) | main,
        kernel(5, 90, 1),
        call("cudaLaunchKernel", 10, 2, 2) | backward,
        kernel(95, 90, 2),
        call("cudaDeviceSynchronize", 20, 166) | main,
        call("cudaLaunchKernel", 200, 2, 3) | backward,
        kernel(205, 90, 3),
    ]
    graph = graph_of(timeline_of(*events))
    assert len(graph.tail_us) == 1
    # The second thread slept until the first had waited for the device: a faster device lets it go on sooner.
    assert period_us(graph, kernel_speed=2.0) == pytest.approx(290 - 90 - 45, abs=3)


def test_threads_that_launch_at_the_same_time_stay_apart() -> None:
    events = [
        call("cudaLaunchKernel", 0, 50, 1) | {"tid": 1},
        call("cudaLaunchKernel", 10, 60, 2) | {"tid": 2},
        kernel(60, 10, 1, stream=7),
        kernel(75, 10, 2, stream=8),
    ]
    assert len(graph_of(timeline_of(*events)).tail_us) == 2
