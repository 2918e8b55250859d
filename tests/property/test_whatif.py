"""Laws of a prediction, over random steps, readings and speeds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.attribute.calibration import calibrate
from profiler.attribute.shares import Scenario
from profiler.attribute.whatif import predict
from profiler.report.evidence import CleanTimes
from profiler.report.vocabulary import Resource
from tests.property.test_attribution import SPEEDS, Step, steps
from tests.unit.attribute.small_graphs import period_us

speeds = st.dictionaries(st.sampled_from(SPEEDS), st.floats(0.1, 10))


def read(step: Step, spread: float) -> tuple[list[Scenario], CleanTimes]:
    """A step in three readings of its clean time, which lies within `spread` of it."""
    period = period_us(step)
    walls = [period, period * (1 - spread), period * (1 + spread)]
    readings = [Scenario("", *step, calibrate(*step, wall, step[0].host_us)) for wall in walls]
    low, high = (wall / 1e3 for wall in walls[1:])
    return readings, CleanTimes(period / 1e3, low, high, None)


@given(steps(), st.floats(0, 0.2))
def test_speeds_of_one_give_the_clean_time(step: Step, spread: float) -> None:
    readings, clean = read(step, spread)
    for nothing in ({}, dict.fromkeys(Resource, 1.0)):
        found = predict(readings, clean, nothing)
        assert (found.ms, found.low_ms, found.high_ms) == (clean.wall_ms, clean.low_ms, clean.high_ms)


@given(steps(), st.floats(0, 0.2), speeds)
def test_a_prediction_lies_within_its_interval(step: Step, spread: float, asked: dict[Resource, float]) -> None:
    found = predict(*read(step, spread), asked)
    assert found.low_ms is not None
    assert found.high_ms is not None
    assert found.low_ms <= found.ms <= found.high_ms
    assert found.speedup.low is not None
    assert found.speedup.high is not None
    assert found.speedup.low <= found.speedup.value <= found.speedup.high


@given(steps(), speeds, st.sampled_from(SPEEDS), st.floats(1, 10))
def test_faster_is_never_slower(step: Step, asked: dict[Resource, float], resource: Resource, more: float) -> None:
    readings, clean = read(step, 0.0)
    faster = asked | {resource: asked.get(resource, 1.0) * more}
    assert predict(readings, clean, faster).ms <= predict(readings, clean, asked).ms * (1 + 1e-9)


@given(steps(), st.floats(1e3, 1e9))
def test_where_everything_is_almost_free_hardly_anything_is_left(step: Step, speed: float) -> None:
    """But for a host that wakes up early: that part of a wait scales with no speed."""
    readings, clean = read(step, 0.0)
    found = predict(readings, clean, dict.fromkeys(Resource, speed))
    assert found.ms * 1e3 <= clean.wall_ms * 1e3 / speed + 0.4 * len(step[0].thread) + 1e-6


@given(steps())
def test_free_resources_leave_a_finite_time(step: Step) -> None:
    readings, clean = read(step, 0.0)
    assert math.isfinite(predict(readings, clean, dict.fromkeys(Resource, math.inf)).ms)
    assert predict(readings, clean, {}).speedup.value == pytest.approx(1)
