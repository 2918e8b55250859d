"""The parts of several results in one, which a disturbed trace does not move."""

from __future__ import annotations

import numpy as np
import pytest

from profiler.compare.centre import centre, centre_ms, change_interval

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


@pytest.mark.parametrize("in_turn", [False, True])
def test_the_interval_of_a_part_holds_its_change_and_narrows_where_results_agree(in_turn: bool):
    agreeing = np.array([[0.9, 0.1], [0.901, 0.099], [0.899, 0.101], [0.9, 0.1]])
    slower = np.array([[0.8, 0.2], [0.801, 0.199], [0.799, 0.201], [0.8, 0.2]])
    times = np.array([10.0, 10.0, 10.0, 10.0])
    low, high = change_interval((agreeing, times), (slower, times), 0.95, in_turn)
    assert low[1] < 1.0 < high[1]
    assert high[1] - low[1] < 0.05
