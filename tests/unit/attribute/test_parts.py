"""Where the wall time went: every microsecond once, idle time at the door of what ended it."""

from __future__ import annotations

import pytest

from profiler.attribute.parts import exclusive_us, idle_us, split
from profiler.attribute.replay import ActivityCosts, Replayed
from profiler.report.vocabulary import Cause, Resource, Tier
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, launching, run

DRAM, PCIE = Resource.DRAM, Resource.PCIE
KERNEL, H2D, D2H, COLLECTIVE = Activity.KERNEL, Activity.H2D, Activity.D2H, Activity.COLLECTIVE
Step = tuple[DependencyGraph, ActivityCosts]


def ran(*spans: tuple[float, float]) -> Replayed:
    return Replayed(0.0, start_us=[start for start, _ in spans], end_us=[end for _, end in spans])


def own(activities: list[Activity], *spans: tuple[float, float]) -> list[float]:
    return exclusive_us(ran(*spans), [int(activity) for activity in activities]).tolist()


def idle(step: Step) -> dict[Cause, float]:
    return idle_us(step[0], run(step))


def test_kernels_that_overlap_share_the_time():
    assert own([KERNEL, KERNEL], (0, 10), (5, 20)) == [7.5, 12.5]


def test_a_copy_counts_only_where_no_kernel_runs():
    assert own([KERNEL, H2D], (0, 10), (5, 15)) == [10, 5]
    assert own([KERNEL, H2D], (0, 10), (2, 8)) == [10, 0]


def test_a_collective_counts_only_where_neither_kernel_nor_copy_runs():
    assert own([KERNEL, D2H, COLLECTIVE], (0, 10), (5, 15), (0, 20)) == [10, 5, 5]


def test_copies_within_the_device_are_memory_work_like_kernels():
    assert own([KERNEL, Activity.D2D], (0, 10), (0, 10)) == [5, 5]


def test_an_activity_of_no_duration_has_no_time_and_takes_none_from_others():
    assert own([KERNEL, KERNEL], (5, 5), (5, 20)) == [0, 15]
    assert own([KERNEL, H2D], (5, 5), (5, 20)) == [0, 15]


def test_nothing_that_ran_has_no_time():
    assert own([]) == []


def test_a_gap_that_a_late_launch_ends_is_the_host_s():
    assert idle(launching(3, host=10, kernel=4)) == {Cause.SCHEDULING_HOST: 10 + 6 + 6}


def test_what_lies_between_a_launch_and_its_kernel_is_a_launch_gap():
    step = graph_of([HostCall(gap=10)] * 2, [Work(0, {DRAM: 4}, delay=2), Work(1, {DRAM: 4}, delay=2)])
    assert idle(step) == {Cause.SCHEDULING_HOST: 10 + 4, Cause.SCHEDULING_LAUNCH_GAP: 2 + 2}


def test_gaps_between_kernels_that_were_launched_early_are_launch_gaps():
    step = graph_of([HostCall()], [Work(0, {DRAM: 4}, stream_gap=1)] * 3)
    assert idle(step) == {Cause.SCHEDULING_LAUNCH_GAP: 2}


def test_a_gap_after_a_sync_is_the_sync_s_until_the_host_resumes_and_then_the_host_s():
    calls = [HostCall(gap=1), HostCall(kind="sync", waits_for=[0], wake=3), HostCall(gap=7)]
    step = graph_of(calls, [Work(0, {DRAM: 20}), Work(2, {DRAM: 20})])
    assert idle(step) == {Cause.SCHEDULING_HOST: 1 + 7, Cause.SCHEDULING_SYNC: 3}


def test_a_delay_planted_after_a_sync_appears_in_full_as_the_host_s():
    def step(delay: float) -> Step:
        calls = [HostCall(gap=1), HostCall(kind="sync", waits_for=[0], wake=3), HostCall(gap=7 + delay)]
        return graph_of(calls, [Work(0, {DRAM: 20}), Work(2, {DRAM: 20})])

    without, planted = idle(step(0)), idle(step(2000))
    assert planted[Cause.SCHEDULING_HOST] - without[Cause.SCHEDULING_HOST] == 2000
    assert planted[Cause.SCHEDULING_SYNC] == without[Cause.SCHEDULING_SYNC]


def test_a_sync_that_began_when_the_device_was_idle_already_is_not_to_blame():
    calls = [HostCall(gap=1), HostCall(gap=50, kind="sync", waits_for=[0]), HostCall(gap=5)]
    step = graph_of(calls, [Work(0, {DRAM: 20}), Work(2, {DRAM: 20})])
    assert idle(step) == {Cause.SCHEDULING_HOST: 1 + 30 + 5}


def test_staging_of_a_pageable_copy_is_io():
    calls = [HostCall(gap=5, takes=8, kind="copy", waits_for=[0], wake=2), HostCall(gap=4)]
    step = graph_of(calls, [Work(0, {PCIE: 100}, activity=H2D), Work(1, {DRAM: 10})])
    assert idle(step) == {Cause.SCHEDULING_HOST: 5 + 4, Cause.IO_H2D: 8 + 2}


def test_reading_back_into_pageable_memory_is_io_of_the_other_direction():
    calls = [HostCall(takes=8, kind="copy", waits_for=[0])]
    assert idle(graph_of(calls, [Work(0, {PCIE: 100}, activity=D2H)])) == {Cause.IO_D2H: 8}


def test_what_the_host_does_after_the_device_is_done_is_the_host_s():
    assert idle(graph_of([HostCall()], [Work(0, {DRAM: 4})], tail=[30])) == {Cause.SCHEDULING_HOST: 26}


def test_a_step_without_device_work_is_all_the_host_s():
    assert idle(graph_of([], [], tail=[30])) == {Cause.SCHEDULING_HOST: 30}


def test_parts_are_sorted_named_and_sum_to_the_period():
    step = graph_of(
        [HostCall(gap=10, takes=1), HostCall(gap=2)],
        [Work(0, {DRAM: 4}, delay=2), Work(1, {PCIE: 9}, stream=8, activity=H2D)],
        tail=[5],
    )
    replayed = run(step)
    parts = split(step[0], replayed, [Cause.MEMORY_WEIGHTS, Cause.IO_H2D], [Tier.ANALYTIC, Tier.TIMELINE])
    assert sum(part.ms for part in parts) * 1e3 == pytest.approx(replayed.period_us)
    assert sum(part.fraction for part in parts) == pytest.approx(1)
    assert [part.cause for part in parts] == [
        Cause.SCHEDULING_HOST,
        Cause.IO_H2D,
        Cause.MEMORY_WEIGHTS,
        Cause.SCHEDULING_LAUNCH_GAP,
    ]
    assert all(part.class_ is part.cause.bottleneck_class for part in parts)
    assert {part.cause: part.tier for part in parts}[Cause.MEMORY_WEIGHTS] is Tier.ANALYTIC


def test_the_uncertainty_of_the_wall_time_is_carried_by_what_is_its_rest():
    step = launching(3, host=10, kernel=4)
    memory = [Cause.MEMORY_WEIGHTS] * 3
    by_cause = {p.cause: p for p in split(step[0], run(step), memory, [Tier.ANALYTIC] * 3, uncertainty_ms=0.002)}
    host, weights = by_cause[Cause.SCHEDULING_HOST], by_cause[Cause.MEMORY_WEIGHTS]
    assert (host.low_ms, host.high_ms) == (pytest.approx(0.020), pytest.approx(0.024))
    assert (weights.low_ms, weights.high_ms) == (None, None)


def test_an_empty_step_has_no_parts():
    step = graph_of([], [])
    assert split(step[0], run(step), [], []) == []
