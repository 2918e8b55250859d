"""Which parts are said to have changed a time, against results whose parts share their noise, as traces' do."""

from __future__ import annotations

import numpy as np
import pytest

from profiler.compare.named_parts import Array, leading_part, sure_parts

HOST, WEIGHTS, ISSUE = range(3)
RESULTS, CONFIDENCE = 6, 0.95


def sides(seed: int, planted: tuple[float, float, float], results: int = RESULTS) -> tuple[Array, Array, Array]:
    """Changes in ms, and results before and after: what a trace gives the weights it takes from the host."""
    draw = np.random.default_rng(seed)

    def side(middle: Array) -> Array:
        shared, alone = draw.normal(0, 0.2, results), draw.normal(0, 0.03, (results, 3))
        return np.asarray(middle + alone + np.outer(shared, (-1, 1, 0)))

    before = np.array([1.3, 2.2, 0.4])
    older, newer = side(before), side(before + planted)
    return newer.mean(axis=0) - older.mean(axis=0), older, newer


@pytest.mark.parametrize("in_turn", [True, False])
def test_a_part_that_changed_far_beyond_the_noise_is_sure_and_no_other(in_turn: bool) -> None:
    assert sure_parts(*sides(1, (1.5, 0, 0)), CONFIDENCE, in_turn) == [True, False, False]


@pytest.mark.parametrize("planted", [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.5, 0.0)])
def test_a_part_that_did_not_change_is_named_in_at_most_a_twentieth(planted: tuple[float, float, float]) -> None:
    unchanged = [i for i in range(3) if not planted[i]]
    wrong = 0
    for seed in range(400):
        sure = sure_parts(*sides(seed, planted), CONFIDENCE, in_turn=False)
        assert sure is not None
        wrong += any(sure[i] for i in unchanged)
    assert wrong <= 400 * 0.05 + 2 * np.sqrt(400 * 0.05 * 0.95)


def test_two_parts_that_changed_are_both_named() -> None:
    assert sure_parts(*sides(2, (2.0, 1.5, 0)), CONFIDENCE, in_turn=False) == [True, True, False]


def test_parts_that_only_changed_places_are_not_named() -> None:
    assert sure_parts(*sides(3, (1.0, -1.0, 0)), CONFIDENCE, in_turn=False) == [False, False, False]


def test_of_very_many_parts_a_small_one_has_no_name_and_a_large_one_keeps_its_own() -> None:
    changes, before, after = sides(1, (1.5, 0, 0))
    many = [np.hstack([side, np.full((RESULTS, 20), 0.01)]) for side in (before, after)]
    sure = sure_parts(np.append(changes, np.zeros(20)), *many, CONFIDENCE, in_turn=False)
    assert sure == [True, False, False, *[False] * 20]


def test_too_few_results_tell_nothing() -> None:
    few = sides(1, (0.5, 0, 0), results=2)
    assert sure_parts(*few, CONFIDENCE, in_turn=False) is None
    assert leading_part(*few, 0.5, in_turn=False) is None


@pytest.mark.parametrize("in_turn", [True, False])
def test_the_part_that_leads_is_as_often_the_right_one_as_its_probability_says(in_turn: bool) -> None:
    said, right = [], []
    for seed in range(400):
        found = leading_part(*sides(seed, (0.5, 0, 0)), 0.5, in_turn)
        assert found is not None
        said.append(found[1])
        right.append(found[0] == HOST)
    assert np.mean(said) <= np.mean(right) + 0.03
    sure = [each for each, probability in zip(right, said, strict=True) if probability >= 0.75]
    assert len(sure) > 250
    assert np.mean(sure) > 0.95


def test_what_became_faster_leads_downwards() -> None:
    found = leading_part(*sides(4, (0, -1.5, 0)), -1.5, in_turn=False)
    assert found is not None
    assert found[0] == WEIGHTS
    assert found[1] > 0.95


def test_nothing_leads_where_no_part_went_the_way_of_the_whole() -> None:
    changes, before, after = sides(1, (1.5, 0, 0))
    assert leading_part(np.abs(changes), before, after, -1.0, in_turn=False) is None
