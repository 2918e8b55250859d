"""How much of a gain in a resource's speed reaches the user."""

from __future__ import annotations

import pytest

from profiler.attribute.calibration import calibrate
from profiler.attribute.replay import ActivityCosts
from profiler.attribute.shares import Scenario, class_shares, share_records, share_table
from profiler.report.vocabulary import BottleneckClass, Resource
from profiler.trace.graph import DependencyGraph
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, launching, period_us

DRAM, HOST, ISSUE, LATENCY = Resource.DRAM, Resource.HOST, Resource.ISSUE, Resource.LATENCY


def scenario(step: tuple[DependencyGraph, ActivityCosts]) -> Scenario:
    return Scenario("as traced", *step, calibrate(*step, period_us(step), step[0].host_us))


def shares(step: tuple[DependencyGraph, ActivityCosts], k: float = 1.01) -> dict[Resource, float]:
    return share_table([scenario(step)], k)[0]


def test_a_host_bound_step_has_the_host_s_share_although_its_kernels_take_time():
    found = shares(launching(100, host=10, kernel=3))
    assert found[HOST] == pytest.approx(1000 / 1003)
    assert found[DRAM] == pytest.approx(3 / 1003)


def test_a_device_bound_step_has_the_device_s_share():
    found = shares(launching(100, host=3, kernel=10))
    assert found[DRAM] == pytest.approx(1000 / 1003)


def test_a_fixed_cost_is_latency_s():
    step = graph_of([HostCall(gap=1)], [Work(0, {DRAM: 6}, fixed=3)] * 10)
    assert shares(step)[LATENCY] == pytest.approx(30 / 91)


def test_a_resource_that_nothing_needs_has_no_share():
    found = shares(launching(10, host=3, kernel=10))
    assert {resource for resource, share in found.items() if share} == {DRAM, HOST}


def test_a_finite_step_can_meet_the_next_limit_on_the_way():
    step = graph_of([HostCall()], [Work(0, {DRAM: 100, ISSUE: 80})])
    assert shares(step, 1.01)[DRAM] == pytest.approx(1)
    assert shares(step, 2.0)[DRAM] == pytest.approx((1 - 0.8) / (1 - 0.5))


def test_a_step_that_takes_no_time_has_no_shares():
    assert set(shares(graph_of([], [])).values()) == {0.0}


def test_records_hold_the_first_scenario_s_value_and_the_range_of_all():
    table = [dict.fromkeys(Resource, 0.0) | {DRAM: value, HOST: 1 - value} for value in (0.6, 0.5, 0.9)]
    first, second = share_records(table)[:2]
    assert (first.resource, first.class_) == (DRAM, BottleneckClass.MEMORY)
    assert (first.share, first.low, first.high, first.step) == (0.6, 0.5, 0.9, 1.01)
    assert second.resource is HOST
    assert len(share_records(table)) == len(Resource)


def test_a_class_has_the_shares_of_its_resources():
    table = [dict.fromkeys(Resource, 0.0) | {HOST: 0.3, LATENCY: 0.4, ISSUE: 0.3}]
    assert class_shares(table) == [
        {
            BottleneckClass.MEMORY: 0.0,
            BottleneckClass.COMPUTE: 0.3,
            BottleneckClass.IO: 0.0,
            BottleneckClass.SCHEDULING: 0.7,
        }
    ]
