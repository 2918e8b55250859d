"""The distinct values and rows of columns are those that numpy finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profiler.trace.distinct import distinct, numbered, rows_alike, values

rows = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2), st.sampled_from([-(2**62), 0, 2**62])), max_size=30)


@given(rows)
def test_distinct_rows_are_sorted_once_each_and_every_row_knows_its_own(given_rows):
    table = np.array(given_rows, np.int64).reshape(-1, 3)
    expected, which = np.unique(table, axis=0, return_inverse=True)
    found, number = numbered(*table.T)
    assert np.array_equal(found, expected)
    assert np.array_equal(number, which.reshape(-1))
    assert np.array_equal(distinct(*table.T), expected)
    assert [rows.tolist() for rows in rows_alike(*table.T)] == [
        np.flatnonzero(number == alike).tolist() for alike in range(len(expected))
    ]


@given(st.lists(st.integers(-3, 3)))
def test_distinct_values_are_sorted_once_each(given_values):
    column = np.array(given_values, np.int64)
    assert np.array_equal(values(column), np.unique(column))
    assert np.array_equal(values(column / 2), np.unique(column / 2))
