"""Spans as Python's numbers obey the laws of those in columns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiler.render.spans import gaps, union
from profiler.trace import intervals
from tests.property.test_intervals import column, windows

starts_and_lengths = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12)


@given(starts_and_lengths)
def test_a_union_is_what_merged_columns_are(pairs):
    merged = union((start, start + length) for start, length in pairs)
    assert [list(span) for span in merged] == intervals.merge(column(pairs)).tolist()


@given(starts_and_lengths, windows)
def test_gaps_are_what_a_complement_of_columns_is(pairs, window):
    begin, end = min(window), max(window)
    merged = union((start, start + length) for start, length in pairs)
    expected = intervals.complement(intervals.merge(column(pairs)), begin, end)
    assert [list(span) for span in gaps(merged, begin, end)] == expected.tolist()
