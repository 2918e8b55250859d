"""A step at other speeds: only what was waited for becomes shorter."""

from __future__ import annotations

import pytest

from profiler.attribute.replay import ActivityCosts, Calibration
from profiler.report.vocabulary import Resource
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, launching, period_us, run

DRAM, HOST, LATENCY, PCIE = Resource.DRAM, Resource.HOST, Resource.LATENCY, Resource.PCIE
TENSOR = Resource.TENSOR


def test_a_host_bound_step_takes_its_launches_and_the_last_kernel():
    assert period_us(launching(10, host=10, kernel=3)) == 103


def test_a_host_bound_step_gains_from_a_faster_host_and_only_its_last_kernel_from_faster_memory():
    step = launching(10, host=10, kernel=3)
    assert period_us(step, {HOST: 2}) == 53
    assert period_us(step, {DRAM: 2}) == 101.5


def test_a_device_bound_step_gains_from_faster_memory_and_only_its_first_launch_from_a_faster_host():
    step = launching(10, host=3, kernel=10)
    assert period_us(step) == 103
    assert period_us(step, {DRAM: 2}) == 53
    assert period_us(step, {HOST: 2}) == 101.5


def test_what_becomes_fast_enough_stops_being_the_limit():
    step = launching(10, host=3, kernel=10)
    assert period_us(step, {DRAM: 1e9}) == pytest.approx(30)


def test_an_activity_lasts_its_fixed_cost_and_the_largest_of_its_needs():
    costs = ActivityCosts.of([1.0], {DRAM: [6.0], Resource.ISSUE: [5.0]})
    assert costs.durations_us({}).tolist() == [7]
    assert costs.durations_us({DRAM: 2}).tolist() == [6], "the next limit is met on the way"
    assert costs.durations_us({LATENCY: 2}).tolist() == [6.5]


def test_exposed_time_of_the_memory_comes_on_top_and_shrinks_with_it():
    costs = ActivityCosts.of([1.0], {DRAM: [2.0], Resource.ISSUE: [5.0]}, [6.0])
    assert costs.durations_us({}).tolist() == [12]
    assert costs.durations_us({DRAM: 2}).tolist() == [9]
    assert costs.durations_us({Resource.ISSUE: 5}).tolist() == [1 + 6 + 2]
    assert [costs.uses(resource) for resource in (DRAM, PCIE)] == [True, False]


def test_an_activity_without_needs_lasts_its_fixed_cost():
    assert ActivityCosts.of([1.5], {}).durations_us({DRAM: 2}).tolist() == [1.5]


def test_a_host_that_waits_for_the_device_pays_for_both():
    calls = [HostCall(gap=10), HostCall(gap=1, kind="sync", waits_for=[0], wake=2), HostCall(gap=10)]
    step = graph_of(calls, [Work(0, {DRAM: 20}), Work(2, {DRAM: 20})], tail=[0])
    assert period_us(step) == 10 + 20 + 2 + 10 + 20
    assert period_us(step, {HOST: 2}) == 5 + 20 + 1 + 5 + 20
    assert run(step).blocked_us == [0, 21, 0]


def test_a_sync_that_comes_late_blocks_nobody():
    calls = [HostCall(gap=10), HostCall(gap=50, kind="sync", waits_for=[0])]
    assert run(graph_of(calls, [Work(0, {DRAM: 20})])).blocked_us == [0, 0]


def test_a_pageable_copy_holds_its_host_until_it_is_over():
    calls = [HostCall(gap=5, takes=2, kind="copy", waits_for=[0]), HostCall(gap=5)]
    step = graph_of(calls, [Work(0, {PCIE: 100}, activity=Activity.H2D), Work(1, {DRAM: 10})])
    assert period_us(step) == 5 + 2 + 100 + 5 + 10
    assert period_us(step, {PCIE: 2}) == 5 + 2 + 50 + 5 + 10


def test_streams_run_side_by_side_unless_an_event_holds_one():
    calls = [HostCall(), HostCall()]
    apart = [Work(0, {DRAM: 10}), Work(1, {DRAM: 4}, stream=8)]
    held = [Work(0, {DRAM: 10}), Work(1, {DRAM: 4}, stream=8, held_by=[0])]
    assert period_us(graph_of(calls, apart)) == 10
    assert period_us(graph_of(calls, held)) == 14
    assert run(graph_of(calls, held)).bound_by == ["launch", "event"]


def test_activities_of_one_graph_launch_follow_each_other_with_their_gaps():
    step = graph_of([HostCall(gap=5, kind="graph_launch")], [Work(0, {DRAM: 10}, stream_gap=1, delay=2)] * 3)
    assert period_us(step) == 5 + 2 + 10 + 1 + 10 + 1 + 10
    assert period_us(step, {LATENCY: 2}) == 5 + 1 + 10 + 0.5 + 10 + 0.5 + 10
    assert run(step).bound_by == ["launch", "stream", "stream"]


def test_a_kernel_that_was_seen_before_its_launching_call_returned_moves_with_the_host():
    step = graph_of([HostCall(gap=10, takes=10)], [Work(0, {DRAM: 10}, delay=-6)])
    assert run(step).start_us == [14]
    assert run(step, {HOST: 2}).start_us == [7]


def test_kernels_of_one_stream_overlap_as_they_did_and_for_less_time_when_they_are_faster():
    works = [
        Work(0, {DRAM: 10}),
        Work(0, {DRAM: 10}, stream_gap=-4),
        Work(0, {DRAM: 2}, stream_gap=-5),
        Work(0, {DRAM: 3}),
    ]
    step = graph_of([HostCall()], works)
    assert run(step).end_us == [10, 16, 13, 19]
    assert run(step, {DRAM: 2}).end_us == [5, 8, 6.5, 9.5]


def test_a_kernel_that_ran_within_another_of_its_stream_is_over_earlier_when_it_is_faster():
    works = [Work(0, {DRAM: 10}), Work(0, {TENSOR: 4}, stream_gap=-8)]
    step = graph_of([HostCall()], works)
    assert run(step).end_us == [10, 6]
    assert run(step, {TENSOR: 2}).end_us == [10, 4]
    assert run(step, {DRAM: 2}).end_us == [5, 5]  # it begins after a fifth of the other's time


def test_what_nobody_launched_runs_after_what_its_stream_ran_before():
    works = [Work(0, {DRAM: 10}), Work(-1, {DRAM: 4}, stream_gap=3), Work(1, {DRAM: 1})]
    assert run(graph_of([HostCall(gap=5), HostCall(gap=1)], works)).start_us == [5, 18, 22]


def test_what_another_thread_queued_first_waits_for_its_own_launch():
    works = [Work(1, {DRAM: 1}), Work(0, {DRAM: 4}, delay=2)]
    step = graph_of([HostCall(gap=30), HostCall(gap=5, thread=1)], works, tail=[0, 0])
    assert run(step).start_us == [5, 32]


def test_what_was_launched_before_the_step_runs_from_its_start():
    assert run(graph_of([HostCall(gap=10)], [Work(-1, {DRAM: 4}), Work(0, {DRAM: 1})])).start_us == [0, 10]


def test_threads_work_at_the_same_time():
    calls = [HostCall(gap=10, thread=0), HostCall(gap=12, thread=1)]
    assert period_us(graph_of(calls, [Work(0), Work(1, stream=8)], tail=[3, 0])) == 13


def test_the_host_s_work_after_its_last_call_counts():
    assert period_us(graph_of([HostCall(gap=10)], [Work(0, {DRAM: 1})], tail=[30])) == 40


def test_each_scale_brings_its_own_times_to_those_of_the_clean_pass():
    step = graph_of([HostCall(gap=10)] * 2, [Work(0, {DRAM: 40}), Work(1, {DRAM: 40}, stream_gap=4)])
    assert period_us(step) == 10 + 40 + 4 + 40
    assert period_us(step, calibration=Calibration(host_scale=0.5)) == 5 + 40 + 4 + 40
    assert period_us(step, calibration=Calibration(kernel_scale=0.5)) == 10 + 20 + 4 + 20
    assert period_us(step, calibration=Calibration(gap_scale=0.5)) == 10 + 40 + 2 + 40


def test_a_step_without_calls_and_activities_takes_the_host_s_time():
    assert period_us(graph_of([], [], tail=[25])) == 25
