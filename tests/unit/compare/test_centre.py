"""The parts of several results in one, which a disturbed trace does not move."""

from __future__ import annotations

import numpy as np
import pytest

from profiler.compare.centre import centre, centre_ms

USUAL = [0.9, 0.05, 0.05]
DISTURBED = [0.45, 0.5, 0.05]


def test_two_disturbed_traces_of_six_do_not_move_it():
    found = centre(np.array([USUAL] * 4 + [DISTURBED] * 2))
    assert found == pytest.approx(USUAL, abs=1e-4)
    assert np.mean([USUAL] * 4 + [DISTURBED] * 2, axis=0)[1] == pytest.approx(0.2)


def test_it_sums_to_the_time_that_it_is_of():
    fractions = np.array([USUAL, DISTURBED, [0.7, 0.1, 0.2]])
    assert centre_ms(fractions, np.array([4.0, 5.0, 6.0])).sum() == pytest.approx(120 ** (1 / 3))


def test_of_one_result_it_is_the_result():
    assert centre(np.array([USUAL])) == pytest.approx(USUAL)
