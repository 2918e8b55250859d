"""New levels over time."""

from __future__ import annotations

import random

import pytest

from profiler.compare.change_points import FEWEST, change_points

NOISE = [0.03, -0.02, 0.0, 0.04, -0.03, 0.01, -0.01, 0.02, -0.04, 0.0, 0.03, -0.02]


def level(height: float, count: int) -> list[float]:
    return [height + NOISE[i % len(NOISE)] for i in range(count)]


@pytest.mark.parametrize("at", [4, 6, 10, 16])
def test_a_new_level_begins_where_it_begins(at: int):
    assert change_points(level(10, at) + level(11, 20 - at), 0.95) == [at]


def test_two_levels_after_the_first_are_both_found():
    assert change_points(level(10, 10) + level(12, 10) + level(11, 10), 0.95) == [10, 20]


@pytest.mark.parametrize("height", [1.5, 20])
def test_a_single_slow_or_fast_run_is_no_new_level(height: float):
    assert change_points([*level(10, 7), height, *level(10, 8)], 0.95) == []


def test_four_against_four_is_the_least_that_can_be_told():
    assert change_points(level(10, 4) + level(11, 4), 0.95) == [4]
    assert change_points(level(10, 3) + level(11, 4), 0.95) == []
    assert FEWEST == 8


@pytest.mark.parametrize("values", [[], [1.0], [5.0] * 30])
def test_what_never_changes_has_no_new_level(values: list[float]):
    assert change_points(values, 0.95) == []


def test_of_series_without_a_change_one_in_twenty_is_marked():
    draw = random.Random(3)
    marked = sum(bool(change_points([draw.gauss(10, 1) for _ in range(16)], 0.95)) for _ in range(300))
    assert marked / 300 == pytest.approx(0.05, abs=0.035)
