"""What iterations cost, at constant speeds and on a surface made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from profiler.errors import UnreadableError
from profiler.report.cost_surface import CostSurface, MixedCost
from profiler.serving.costs import ConstantCosts
from profiler.serving.surface import SurfaceCosts
from tests.unit.serving.requests import SPEEDS, surface

MS = 10**6


def test_constant_speeds_are_those_of_each_stream() -> None:
    assert SPEEDS.iteration_ns([(500, 0), (1000, 0)], 0, 0) == 50 * MS
    assert SPEEDS.iteration_ns([(100, 0)], 7, 9000) == 20 * MS
    assert SPEEDS.steps_ns(7, 9000, 3) == 60 * MS


def test_a_step_that_is_under_way_has_begun() -> None:
    costs = ConstantCosts(1000, 1000)
    assert [costs.steps_begun(1, 0, ns) for ns in (1, MS, MS + 1, 3 * MS)] == [1, 1, 2, 3]


def test_measured_points_come_out_as_they_are() -> None:
    costs = SurfaceCosts(surface())
    assert costs.iteration_ns([(100, 0)], 0, 0) == 20 * MS
    assert costs.iteration_ns([(1100, 0)], 0, 0) == 120 * MS
    assert costs.iteration_ns((), 11, 11 * 1000) == 23 * MS
    assert costs.iteration_ns((), 1, 0) == 10 * MS


def test_between_them_it_goes_straight_along_batch_and_context() -> None:
    costs = SurfaceCosts(surface())
    assert costs.iteration_ns([(600, 0)], 0, 0) == 70 * MS
    assert costs.iteration_ns((), 6, 6 * 500) == (10.5 + 17.5) / 2 * MS
    assert costs.iteration_ns((), 1, 250) == 10.25 * MS


def test_beyond_them_it_goes_on_straight_and_below_them_it_stays() -> None:
    costs = SurfaceCosts(surface())
    assert costs.iteration_ns([(2100, 0)], 0, 0) == 220 * MS
    assert costs.iteration_ns([(1, 0)], 0, 0) == 20 * MS
    assert costs.iteration_ns((), 21, 0) == 14 * MS
    assert costs.iteration_ns((), 1, 2000) == 12 * MS


def test_what_lies_beyond_the_measurements_is_said() -> None:
    costs = SurfaceCosts(surface())
    costs.steps_ns(5, 5 * 10, 10)
    assert costs.beyond(1100) == []
    costs.steps_ns(20, 20 * 990, 30)
    batches, contexts, prompts = costs.beyond(1101)
    assert "up to 20, measured up to 11" in batches
    assert "up to 1,020, measured to 1,000" in contexts
    assert "up to 1,101, measured to 1,100" in prompts


def test_a_mixed_iteration_reads_the_weights_once() -> None:
    costs = SurfaceCosts(surface())
    assert costs.iteration_ns([(600, 0)], 1, 500) == (70 + 10.5 - 10) * MS


def test_where_mixed_iterations_were_measured_they_say_what_is_shared_and_what_packing_costs() -> None:
    apart = {100: 20.0, 1100: 120.0}  # ms of the prompt alone; a step of 11 sequences of 1,000 tokens takes 23
    mixed = [
        MixedCost(prompt_tokens=tokens, batch_size=11, context_tokens=1000, ms=ms + 23 - 4 + 1e-5 * tokens * 11_000)
        for tokens, ms in apart.items()
    ]
    costs = SurfaceCosts(replace(surface(), mixed=mixed))
    assert costs.iteration_ns([(100, 0)], 11, 11_000) == pytest.approx((20 + 23 - 4 + 11) * MS)
    assert costs.iteration_ns([(600, 0)], 1, 500) == pytest.approx((70 + 10.5 - 4 + 3) * MS)
    assert costs.iteration_ns((), 11, 11_000) == 23 * MS


@pytest.mark.parametrize("ms", [0.0, -1.0, float("nan")])
def test_mixed_iterations_whose_times_make_no_sense_are_refused(ms: float) -> None:
    point = MixedCost(prompt_tokens=100, batch_size=11, context_tokens=1000, ms=ms)
    with pytest.raises(UnreadableError, match="a mixed iteration makes no sense"):
        SurfaceCosts(replace(surface(), mixed=[replace(point, ms=40.0), point]))


def test_a_later_chunk_costs_what_the_prompt_takes_with_it_less_what_it_takes_without() -> None:
    costs = SurfaceCosts(surface(prefill=((1, 1000, 50.0), (1, 2000, 150.0), (1, 4000, 500.0))))
    assert costs.iteration_ns([(1000, 1000)], 0, 0) == 100 * MS
    assert costs.iteration_ns([(1000, 0)], 0, 0) == 50 * MS


def test_prompts_together_cost_the_less_of_two_readings_where_only_one_was_measured() -> None:
    fixed = SurfaceCosts(surface(prefill=((1, 100, 20.0), (1, 200, 20.0))))
    assert fixed.iteration_ns([(100, 0), (100, 0)], 0, 0) == 20 * MS
    squared = SurfaceCosts(surface(prefill=((1, 100, 10.0), (1, 200, 40.0))))
    assert squared.iteration_ns([(100, 0), (100, 0)], 0, 0) == 20 * MS


def test_prompts_together_cost_what_was_measured_of_such_a_batch() -> None:
    costs = SurfaceCosts(surface(prefill=((1, 100, 20.0), (1, 200, 30.0), (3, 100, 32.0), (3, 200, 50.0))))
    assert costs.iteration_ns([(100, 0), (100, 0)], 0, 0) == 26 * MS
    assert costs.iteration_ns([(200, 0)] * 3, 0, 0) == 50 * MS
    assert costs.iteration_ns([(100, 0)] * 6, 0, 0) == 50 * MS  # as three of 200, not as twice three of 100


@pytest.mark.parametrize(("batch", "context", "steps"), [(1, 10, 1), (1, 10, 40), (3, 2990, 25), (16, 40_000, 700)])
def test_a_run_of_steps_takes_as_long_as_the_steps(batch: int, context: int, steps: int) -> None:
    costs = SurfaceCosts(surface())
    one_by_one = sum(costs.iteration_ns((), batch, context + batch * step) for step in range(steps))
    assert costs.steps_ns(batch, context, steps) == pytest.approx(one_by_one, abs=steps, rel=1e-4)


@pytest.mark.parametrize("batch", [1, 4, 30])
def test_as_many_steps_have_begun_as_take_so_long(batch: int) -> None:
    costs = SurfaceCosts(surface())
    for within in (1, 9 * MS, 10 * MS, 123_456_789, 10**11):
        steps = costs.steps_begun(batch, batch * 900, within)
        assert costs.steps_ns(batch, batch * 900, steps) >= within - 1
        assert steps == 1 or costs.steps_ns(batch, batch * 900, steps - 1) < within + 1


def test_what_a_request_takes_alone_is_a_prefill_and_the_steps_after_its_first_token() -> None:
    costs = SurfaceCosts(surface())
    prompts, outputs = np.array([600, 50, 3000]), np.array([11, 1, 400])
    for alone, prompt, output in zip(costs.alone_ns(prompts, outputs), prompts, outputs, strict=True):
        prefill = costs.iteration_ns([(int(prompt), 0)], 0, 0)
        steps = costs.steps_ns(1, int(prompt) + 1, int(output) - 1) if output > 1 else 0
        assert alone == pytest.approx(prefill + steps, abs=2)


def test_one_measured_batch_and_length_is_a_surface() -> None:
    costs = SurfaceCosts(surface(prefill=((1, 512, 30.0),), decode=((1, 512, 9.0),)))
    assert costs.iteration_ns([(100, 0)], 0, 0) == 30 * MS
    assert costs.steps_ns(8, 8000, 10) == 90 * MS


@pytest.mark.parametrize(
    ("flawed", "what"),
    [
        (surface(decode=((1, 0, 1.0), (1, 10, 1.0), (2, 0, 1.0))), "no decode time at batch 2 and 10 tokens"),
        (surface(prefill=((1, 0, 0.0),)), "prefill time at batch 1 and 0 tokens makes no sense"),
        (surface(decode=((1, 0, float("nan")),)), "makes no sense"),
        (replace(surface(), prefill=[]), "no point of prefill"),
    ],
)
def test_a_surface_with_holes_or_impossible_times_is_refused(flawed: CostSurface, what: str) -> None:
    with pytest.raises(UnreadableError, match=what):
        SurfaceCosts(flawed)
