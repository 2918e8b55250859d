"""Whether a time changed is told by how far runs differ."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest

from profiler.compare.change import Change, Sample, change
from profiler.report.comparison import Basis, ChangeState

MARGIN = 0.03


def runs(*times_ms: float, reach: float | None = 0.05, repeats: int = 10) -> list[Sample]:
    return [Sample(ms, reach, repeats) for ms in times_ms]


def state(before: list[Sample], after: list[Sample], in_turn: bool = False) -> ChangeState:
    return change(before, after, 0.95, in_turn).state(MARGIN)


def test_one_against_one_rests_on_what_each_knows_of_another_run():
    found = change(runs(10), runs(10.3), 0.95, in_turn=False)
    assert found.basis is Basis.REPEATS
    assert found.reach == pytest.approx(0.05)
    assert found.state(MARGIN) is ChangeState.INCONCLUSIVE
    assert state(runs(10), runs(11)) is ChangeState.CHANGED
    assert state(runs(10, reach=0.01), runs(10.1, reach=0.01)) is ChangeState.UNCHANGED


def test_a_higher_confidence_reaches_farther():
    assert (change(runs(10), runs(10), 0.99, False).reach or 0) > (change(runs(10), runs(10), 0.95, False).reach or 0)


def test_two_against_two_hold_what_each_pair_of_them_shows():
    found = change(runs(10, 10), runs(10, 13), 0.95, in_turn=False)
    assert found.basis is Basis.REPEATS
    assert abs(found.log_ratio) <= (found.reach or 0)


def test_single_measurements_tell_nothing():
    found = change(runs(10, reach=None), runs(20, reach=None), 0.95, in_turn=False)
    assert (found.basis, found.reach) == (Basis.NONE, None)
    assert found.state(MARGIN) is ChangeState.INCONCLUSIVE


def test_what_is_calculated_is_exact():
    found = change(runs(10, reach=0), runs(10.5, reach=0), 0.95, in_turn=False)
    assert (found.basis, found.reach) == (Basis.EXACT, 0)
    assert found.state(MARGIN) is ChangeState.CHANGED
    assert state(runs(10, reach=0), runs(10, reach=0)) is ChangeState.UNCHANGED


def test_results_that_differ_more_than_their_repeats_say_are_believed():
    """Each process found itself steady to 1%; the next one was 20% away."""
    before = runs(10, 12, 10.5, 12.5, reach=0.01)
    after = runs(11, 13, 11.5, 13.5, reach=0.01)
    found = change(before, after, 0.95, in_turn=False)
    assert found.basis is Basis.RESULTS
    assert found.state(MARGIN) is ChangeState.INCONCLUSIVE


def test_taken_in_turn_a_drift_that_both_share_falls_out():
    drifting = [10, 12, 14, 16, 18, 20]
    slower = [ms * factor for ms, factor in zip(drifting, [1.1, 1.09, 1.1] * 2, strict=True)]
    before, after = runs(*drifting), runs(*slower)
    assert state(before, after) is ChangeState.INCONCLUSIVE
    found = change(before, after, 0.95, in_turn=True)
    assert found.basis is Basis.TURNS
    assert found.state(MARGIN) is ChangeState.CHANGED
    assert math.expm1(found.log_ratio) == pytest.approx(0.097, abs=0.002)


def test_a_surely_tiny_change_is_none():
    before = runs(10.00, 10.01, 10.00, 10.01)
    after = runs(10.10, 10.11, 10.10, 10.11)
    assert state(before, after) is ChangeState.UNCHANGED
    assert change(before, after, 0.95, False).state(margin=0.001) is ChangeState.CHANGED


@pytest.mark.parametrize("in_turn", [False, True])
def test_of_equal_runs_one_comparison_in_twenty_is_wrong(in_turn: bool):
    """Normal logarithms, as the intervals suppose: 4,000 comparisons have a standard error of 0.35 points."""
    normal, draw = NormalDist(0, 0.05), random.Random(1)
    wrong = 0
    for _ in range(4000):
        sides = [runs(*(math.exp(normal.inv_cdf(draw.random())) for _ in range(6))) for _ in range(2)]
        found = change(*sides, 0.95, in_turn)
        wrong += abs(found.log_ratio) > (found.reach or 0)
    assert wrong / 4000 == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("before", "after"), [([], [1.0]), ([1.0], []), ([1.0], [0.0]), ([-1.0], [1.0])])
def test_nothing_is_no_time(before: list[float], after: list[float]):
    with pytest.raises(ValueError, match="above zero"):
        change(runs(*before), runs(*after), 0.95, in_turn=False)


def test_a_change_that_reaches_to_no_change_is_inconclusive():
    assert Change(0.1, 0.2, Basis.RESULTS).state(MARGIN) is ChangeState.INCONCLUSIVE
