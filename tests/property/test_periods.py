"""All speeds at once take what each takes when it is replayed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.attribute import periods
from profiler.attribute.periods import Run, periods_us
from profiler.attribute.replay import Calibration, replay
from profiler.report.vocabulary import Resource
from tests.property.test_attribution import Step, steps
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of

speeds = st.dictionaries(st.sampled_from(Resource), st.floats(0.1, 10), max_size=3)
scales = st.floats(0.1, 4)
calibrations = st.builds(Calibration, scales, scales, scales, scales, st.just(1.0) | scales, scales)
asked = st.lists(st.tuples(calibrations, speeds), min_size=1, max_size=5)


@given(steps(), asked)
def test_every_period_is_that_of_the_replay(step: Step, asked: list[tuple[Calibration, dict[Resource, float]]]):
    graph, costs = step
    alone = [replay(graph, costs, calibration, speeds).period_us for calibration, speeds in asked]
    assert periods_us(graph, [Run(costs, *each) for each in asked]) == pytest.approx(alone, rel=1e-12)


@given(steps(), asked, st.integers(1, 3))
def test_where_a_step_is_cut_into_stretches_and_how_many_runs_go_at_once_change_nothing(
    step: Step, asked: list[tuple[Calibration, dict[Resource, float]]], rows: int
):
    graph, costs = step
    runs = [Run(costs, *each) for each in asked]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(periods, "_STRETCH_ROWS", rows)
        patch.setattr(periods, "_WINDOW_ROWS", rows)
        patch.setattr(periods, "_RUNS_AT_ONCE", rows)
        cut = periods_us(graph, runs)
    np.testing.assert_allclose(cut, periods_us(graph, runs), rtol=1e-12)


def test_runs_may_differ_in_what_activities_cost():
    calls = [HostCall(gap=1.0)]
    graph, slow = graph_of(calls, [Work(0, {Resource.DRAM: 8.0})])
    _, fast = graph_of(calls, [Work(0, {Resource.DRAM: 2.0})])
    assert periods_us(graph, [Run(slow, Calibration(), {}), Run(fast, Calibration(), {})]).tolist() == [9.0, 3.0]


def test_runs_may_differ_in_how_fast_graphs_are_launched():
    calls = [HostCall(gap=1.0, takes=4.0), HostCall(gap=1.0, takes=10.0, kind="graph_launch")]
    graph, costs = graph_of(calls, [Work(1, {Resource.DRAM: 3.0})])
    runs = [Run(costs, Calibration(graph_launch_scale=scale), {}) for scale in (1.0, 0.5)]
    assert periods_us(graph, runs).tolist() == [19.0, 14.0]


def test_a_wait_for_input_ends_sooner_with_a_faster_disk():
    graph, costs = graph_of([HostCall(input=6.0, gap=1.0)], [Work(0, {Resource.DRAM: 3.0})])
    runs = [Run(costs, Calibration(), speeds) for speeds in ({}, {Resource.DISK: 2.0})]
    assert periods_us(graph, runs).tolist() == [10.0, 7.0]


def test_a_step_without_calls_and_activities_takes_the_host_s_time():
    graph, costs = graph_of([], [], tail=[25.0])
    assert periods_us(
        graph, [Run(costs, Calibration(), {}), Run(costs, Calibration(), {Resource.HOST: 5.0})]
    ).tolist() == [25.0, 5.0]
