from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler.attribute.regression import regress, solve


@given(seed=st.integers(0, 10**6), columns=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_the_answer_is_the_best_without_negative_numbers(seed: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    design = random.random((60, columns)) * (random.random((60, columns)) < 0.4)
    amounts = design @ (random.normal(size=columns)) + random.normal(0.0, 0.1, 60)
    values = solve(design.T @ design, design.T @ amounts)
    slope = design.T @ (amounts - design @ values)  # Karush, Kuhn and Tucker: no step up helps, no step down is open
    assert (values >= 0).all()
    assert slope.max(initial=0.0) < 1e-5
    assert np.abs(slope[values > 0]).max(initial=0.0) < 1e-5


def test_the_error_is_that_of_the_estimate_over_many_runs() -> None:
    truth = np.array([3.0, 1.0, 8.0])
    scores = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        design = random.random((400, 3))
        found = regress(design, design @ truth + random.normal(0.0, 0.5, 400))
        scores.append((found.values - truth) / found.errors)
    assert np.std(scores) == pytest.approx(1.0, abs=0.25)


def test_a_column_that_never_occurs_has_no_value() -> None:
    design = np.column_stack([np.ones(50), np.zeros(50)])
    assert regress(design, np.full(50, 7.0)).values.tolist() == pytest.approx([7.0, 0.0])


def test_columns_that_always_occur_together_share_what_they_have() -> None:
    once = np.random.default_rng(0).random(80)
    values = regress(np.column_stack([once, once]), 10.0 * once).values
    assert values.sum() == pytest.approx(10.0, rel=1e-3)
