"""A step at other speeds: how long it takes there, and what holds it back there."""

from __future__ import annotations

import math
from functools import cache

import pytest

from profiler.attribute.calibration import calibrate
from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.shares import Scenario
from profiler.attribute.timeline_record import restored
from profiler.attribute.whatif import Prediction, finite_share, predict
from profiler.report.evidence import CleanTimes
from profiler.report.vocabulary import BottleneckClass, Resource, VerdictState
from tests.unit.attribute.recorded_judgements import recorded
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, period_us

RECORDINGS = ["decode_b1_graph", "decode_b1_eager", "decode_offload_4layers", "prefill_b1_2048"]
# Memory for 60 us, matrix units for 40 us of the same kernel, then a kernel of nothing but 20 us of issuing.
STEP = graph_of(
    [HostCall(gap=1), HostCall(gap=1)],
    [Work(0, {Resource.DRAM: 60.0, Resource.TENSOR: 40.0}), Work(1, {Resource.ISSUE: 20.0})],
)


@cache
def kept(name: str) -> tuple[list[Scenario], CleanTimes]:
    """The readings of a recording, from what a report keeps of it."""
    evidence = restored(recorded(name).judgement.timeline)
    assert evidence is not None
    return scenarios_of(evidence)[0], evidence.clean


def predicted(speeds: dict[Resource, float], low_ms: float | None = 0.08, high_ms: float | None = 0.083) -> Prediction:
    period = period_us(STEP)
    scenario = Scenario("as traced", *STEP, calibrate(*STEP, period, STEP[0].host_us))
    return predict([scenario], CleanTimes(period / 1e3, low_ms, high_ms, None), speeds)


@pytest.mark.parametrize("name", RECORDINGS)
def test_at_speeds_of_one_a_step_takes_the_clean_time_with_its_interval(name: str) -> None:
    scenarios, clean = kept(name)
    found = predict(scenarios, clean, {})
    assert (found.ms, found.low_ms, found.high_ms) == (clean.wall_ms, clean.low_ms, clean.high_ms)
    assert (found.speedup.low, found.speedup.value, found.speedup.high) == (1, 1, 1)


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("resource", [Resource.DRAM, Resource.TENSOR, Resource.PCIE, Resource.HOST, Resource.LATENCY])
def test_a_recorded_step_is_never_slower_for_a_faster_resource(name: str, resource: Resource) -> None:
    scenarios, clean = kept(name)
    times = [predict(scenarios, clean, {resource: speed}) for speed in (0.5, 1.0, 1.4, 3.0, math.inf)]
    assert [found.ms for found in times] == sorted((found.ms for found in times), reverse=True)
    for found in times:
        assert found.low_ms is not None
        assert found.high_ms is not None
        assert found.low_ms <= found.ms <= found.high_ms


@pytest.mark.parametrize("name", RECORDINGS)
def test_where_everything_is_free_nothing_is_left(name: str) -> None:
    scenarios, clean = kept(name)
    assert predict(scenarios, clean, dict.fromkeys(Resource, math.inf)).ms < 0.002 * clean.wall_ms


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_bottleneck_of_a_kept_step_is_that_of_its_verdict(name: str) -> None:
    verdict, leader = recorded(name).judgement.verdict, predict(*kept(name), {}).leader
    assert leader.class_ is verdict.class_
    assert leader.share == pytest.approx(verdict.share, abs=0.01)


def test_a_kernel_is_no_faster_than_its_next_limit() -> None:
    assert predicted({Resource.DRAM: 1.2}).ms == pytest.approx(0.071, abs=0.001)
    assert predicted({Resource.DRAM: 10.0}).ms == pytest.approx(0.061, abs=0.001)


def test_the_bottleneck_moves_to_what_limits_next() -> None:
    assert predicted({}).leader.resource is Resource.DRAM
    found = predicted({Resource.DRAM: 3.0}).leader
    assert (found.class_, found.resource, found.state) == (
        BottleneckClass.COMPUTE,
        Resource.TENSOR,
        VerdictState.CLEAR,
    )


def test_an_interval_is_that_of_the_readings_times_that_of_the_clean_time() -> None:
    graph = graph_of([HostCall(gap=1)], [Work(0, {Resource.DRAM: 50.0, Resource.ISSUE: 50.0})])
    issuing = graph_of([HostCall(gap=1)], [Work(0, {Resource.ISSUE: 50.0})])
    reading = graph_of([HostCall(gap=1)], [Work(0, {Resource.DRAM: 50.0})])
    readings = [Scenario("", *step, calibrate(*step, 51.0, 1.0)) for step in (graph, issuing, reading)]
    found = predict(readings, CleanTimes(0.051, 0.050, 0.052, None), {Resource.DRAM: 2.0})
    assert found.ms == pytest.approx(0.051)
    assert found.low_ms == pytest.approx(0.050 * 26 / 51)
    assert found.high_ms == pytest.approx(0.052)
    assert (found.speedup.value, found.speedup.high) == (pytest.approx(1), pytest.approx(51 / 26))


def test_a_clean_time_without_interval_makes_a_prediction_without_one() -> None:
    found = predicted({Resource.DRAM: 2.0}, low_ms=None, high_ms=None)
    assert (found.low_ms, found.high_ms) == (None, None)


def test_a_share_at_a_finite_step_is_that_of_one_factor() -> None:
    assert finite_share(1.25, {Resource.DRAM: 2.0, Resource.HOST: 1.0}) == pytest.approx(0.4)
    assert finite_share(1.25, {Resource.TENSOR: 2.0, Resource.ISSUE: 2.0}) == pytest.approx(0.4)
    assert finite_share(1.25, {Resource.DRAM: 2.0, Resource.HOST: 3.0}) is None
    assert finite_share(1.0, {}) is None


def test_another_card_may_differ_by_more_than_its_speeds_say():
    scenarios, clean = kept("decode_b1_graph")
    here, there = (predict(scenarios, clean, {Resource.DRAM: 1.4}, spread) for spread in (0.0, 0.03))
    assert there.ms == here.ms
    assert here.low_ms is not None
    assert here.high_ms is not None
    assert (there.low_ms, there.high_ms) == (pytest.approx(here.low_ms * 0.97), pytest.approx(here.high_ms * 1.03))
