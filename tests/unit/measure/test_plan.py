from __future__ import annotations

from dataclasses import replace

import pytest

from profiler.device.gpm import SHORTEST_WINDOW_S
from profiler.measure.plan import Plan, iterations_for, repeats_for


@pytest.mark.parametrize("iteration_ms", [27.0, 40.0, 283.0])
def test_the_standard_clean_pass_of_a_phase_takes_about_six_seconds(iteration_ms: float) -> None:
    plan = Plan.standard()
    seconds = repeats_for(iteration_ms, plan) * iterations_for(iteration_ms, plan) * iteration_ms / 1000
    assert 5.0 < seconds < 7.0


def test_the_clean_pass_of_a_tiny_model_takes_under_two_seconds() -> None:
    plan = Plan.standard()
    assert plan.repeats * iterations_for(3.0, plan) * 3.0 / 1000 < 2.0


@pytest.mark.parametrize(("iteration_ms", "repeats"), [(300.0, 20), (600.0, 10), (1100.0, 5), (2300.0, 5)])
def test_iterations_that_outlast_a_repeat_have_fewer_of_them(iteration_ms: float, repeats: int) -> None:
    assert repeats_for(iteration_ms, Plan.standard()) == repeats


def test_a_plan_of_few_repeats_has_no_more_of_them_for_a_slow_iteration() -> None:
    assert repeats_for(60_000.0, replace(Plan.standard(), repeats=1)) == 1


def test_a_very_slow_iteration_is_still_run_once_a_repeat() -> None:
    assert iterations_for(60_000.0, Plan.quick()) == 1


def test_a_clock_too_coarse_for_an_iteration_gives_the_most_iterations() -> None:
    assert iterations_for(0.0, Plan.quick()) == Plan.quick().most_iterations


@pytest.mark.parametrize(("plan", "windows"), [(Plan.quick(), 2), (Plan.standard(), 4), (Plan.thorough(), 12)])
def test_the_telemetry_pass_holds_whole_gpm_windows(plan: Plan, windows: int) -> None:
    assert plan.telemetry_seconds >= windows * SHORTEST_WINDOW_S + 0.1


def test_each_plan_measures_more_than_the_one_before() -> None:
    plans = [Plan.quick(), Plan.standard(), Plan.thorough()]
    repeats = [plan.repeats for plan in plans]
    assert repeats == sorted(set(repeats))
    assert repeats[0] >= 3


def test_a_plan_without_repeats_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one repeat"):
        replace(Plan.quick(), repeats=0)
