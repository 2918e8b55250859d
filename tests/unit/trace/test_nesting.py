from __future__ import annotations

import numpy as np

from profiler.trace.nesting import enclosing, parents


def columns(*rows: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.array(rows, np.int64).reshape(-1, 3).T)


def test_the_parent_is_the_innermost_interval_of_the_same_thread():
    assert parents(*columns((0, 100, 1), (10, 50, 1), (20, 30, 1), (60, 70, 1), (20, 30, 2))).tolist() == [
        -1,
        0,
        1,
        0,
        -1,
    ]


def test_of_equal_intervals_the_earlier_row_is_the_parent():
    assert parents(*columns((0, 10, 1), (0, 10, 1), (0, 10, 1))).tolist() == [-1, 0, 1]


def test_intervals_that_cross_are_no_parents_of_each_other():
    assert parents(*columns((0, 100, 1), (10, 50, 1), (40, 60, 1))).tolist() == [-1, 0, 0]


def test_an_interval_as_long_as_its_enclosure_lies_within():
    assert enclosing(columns((0, 10, 1), (2, 8, 1)), *columns((2, 8, 1), (0, 10, 1), (8, 10, 1))).tolist() == [1, 0, 0]


def test_nothing_encloses_what_lies_outside_or_on_another_thread():
    assert enclosing(columns((0, 10, 1)), *columns((11, 12, 1), (5, 11, 1), (5, 6, 2))).tolist() == [-1, -1, -1]


def test_nothing_to_search_finds_nothing():
    assert enclosing(columns(), *columns((0, 1, 1))).tolist() == [-1]
    assert enclosing(columns((0, 1, 1)), *columns()).tolist() == []
