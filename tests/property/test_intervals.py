"""Laws of interval algebra, each against a set of covered nanoseconds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profiler.trace import intervals
from profiler.trace.intervals import Ints

# A Unix time in ns: sums of such numbers as floats would lose nanoseconds.
EPOCH_NS = 1_795_327_869_603_279_255

_BOUND = 60
spans = st.lists(st.tuples(st.integers(0, _BOUND), st.integers(0, 20)), max_size=12)
windows = st.tuples(st.integers(-5, _BOUND + 25), st.integers(-5, _BOUND + 25))


def column(pairs: list[tuple[int, int]]) -> Ints:
    return np.array([(start, start + length) for start, length in pairs], np.int64).reshape(-1, 2)


def instants(table: Ints) -> set[int]:
    return {instant for start, end in table.tolist() for instant in range(start, end)}


def is_merged(table: Ints) -> bool:
    flat = table.ravel()
    return bool((np.diff(flat) > 0).all())


@given(spans)
def test_a_merged_set_covers_the_same_and_is_sorted_disjoint_and_not_touching(pairs):
    merged = intervals.merge(column(pairs))
    assert instants(merged) == instants(column(pairs))
    assert is_merged(merged)


@given(spans)
def test_the_total_counts_every_instant_once(pairs):
    assert intervals.total(column(pairs)) == len(instants(column(pairs)))


@given(spans, spans)
def test_intersection_and_subtraction_are_those_of_the_instants(left, right):
    left, right = column(left), column(right)
    both, only_left = intervals.intersect(left, right), intervals.subtract(left, right)
    assert instants(both) == instants(left) & instants(right)
    assert instants(only_left) == instants(left) - instants(right)
    assert is_merged(both)
    assert is_merged(only_left)


@given(spans, spans)
def test_what_is_shared_and_what_is_left_make_up_the_whole(left, right):
    left, right = column(left) + EPOCH_NS, column(right) + EPOCH_NS
    parts = intervals.total(intervals.intersect(left, right)) + intervals.total(intervals.subtract(left, right))
    assert parts == intervals.total(left)


@given(spans, windows)
def test_a_window_splits_into_the_cover_and_its_complement(pairs, window):
    start, end = window
    inside, free = intervals.clip(column(pairs), start, end), intervals.complement(column(pairs), start, end)
    assert instants(inside) == instants(column(pairs)) & set(range(start, end))
    assert instants(free) == set(range(start, end)) - instants(inside)
    assert is_merged(free)


@given(spans)
def test_covered_twice_is_where_two_overlap(pairs):
    table = column(pairs)
    counts = [sum(start <= instant < end for start, end in table.tolist()) for instant in range(_BOUND + 25)]
    twice = intervals.covered_twice(table)
    assert instants(twice) == {instant for instant, count in enumerate(counts) if count >= 2}
    assert is_merged(twice)


@given(spans, windows)
def test_cover_before_two_instants_differs_by_the_cover_between(pairs, window):
    start, end = sorted(window)
    merged = intervals.merge(column(pairs))
    before = intervals.covered_before(merged, np.array([start, end]))
    assert before[1] - before[0] == len(instants(merged) & set(range(start, end)))
