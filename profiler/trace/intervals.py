"""Interval algebra on columns of nanoseconds.

Intervals are an int64 array of shape (n, 2), half open: an interval holds its start and not its end. A *merged* set
is sorted, disjoint and without empty intervals; functions say when they return one. None of them changes its input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def from_columns(starts: Ints, ends: Ints) -> Ints:
    """Intervals of shape (n, 2) from two columns of shape (n,)."""
    return np.stack([np.asarray(starts, np.int64), np.asarray(ends, np.int64)], axis=1)


def merge(intervals: Ints) -> Ints:
    """The union as a merged set; intervals that touch become one."""
    lasting = intervals[:, 1] > intervals[:, 0]
    starts, ends = intervals[lasting, 0], intervals[lasting, 1]  # column by column: numpy takes rows of two slowly
    if len(starts) == 0:
        return np.empty((0, 2), np.int64)
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    first = np.append(0, np.flatnonzero(starts[1:] > reach[:-1]) + 1)
    last = np.append(first[1:], len(starts)) - 1
    return from_columns(starts[first], reach[last])


def total(intervals: Ints) -> int:
    """The length of the union in ns: what is covered twice counts once."""
    merged = merge(intervals)
    return int((merged[:, 1] - merged[:, 0]).sum())


def clip(intervals: Ints, start: int, end: int) -> Ints:
    """The pieces inside the window [start, end), in their order; what lies outside is dropped."""
    clipped = np.clip(intervals, start, max(start, end))
    return clipped[clipped[:, 1] > clipped[:, 0]]


def complement(intervals: Ints, start: int, end: int) -> Ints:
    """What the union leaves free of the window [start, end), merged."""
    covered = merge(clip(intervals, start, end))
    free = from_columns(np.append(start, covered[:, 1]), np.append(covered[:, 0], max(start, end)))
    return free[free[:, 1] > free[:, 0]]


def intersect(left: Ints, right: Ints) -> Ints:
    """What both unions cover, merged."""
    left, right = merge(left), merge(right)
    if len(left) == 0 or len(right) == 0:
        return np.empty((0, 2), np.int64)
    start = min(left[0, 0], right[0, 0])
    end = max(left[-1, 1], right[-1, 1])
    neither = np.concatenate([complement(left, start, end), complement(right, start, end)])
    return complement(neither, start, end)


def subtract(left: Ints, right: Ints) -> Ints:
    """What `left` covers and `right` does not, merged."""
    left = merge(left)
    if len(left) == 0:
        return left
    return intersect(left, complement(right, int(left[0, 0]), int(left[-1, 1])))


def covered_twice(intervals: Ints) -> Ints:
    """Where at least two of the intervals overlap, merged."""
    intervals = intervals[intervals[:, 1] > intervals[:, 0]]
    intervals = intervals[np.argsort(intervals[:, 0], kind="stable")]
    reach = np.maximum.accumulate(intervals[:, 1])
    # Whatever an interval shares with any before it lies below how far those reached.
    return merge(from_columns(intervals[1:, 0], np.minimum(intervals[1:, 1], reach[:-1])))


def covered_before(merged: Ints, instants: Ints) -> Ints:
    """How many ns of a merged set lie before each instant, shape (n,).

    The difference at two instants is the cover between them, which makes a query per row a subtraction.
    """
    if len(merged) == 0:
        return np.zeros(len(instants), np.int64)
    lengths = merged[:, 1] - merged[:, 0]
    before = np.concatenate([[0], np.cumsum(lengths)])
    row = np.searchsorted(merged[:, 0], instants, side="right") - 1
    inside = np.clip(instants - merged[row, 0], 0, lengths[row])
    return np.where(row < 0, 0, before[np.maximum(row, 0)] + inside)


def last_so_far(ends: Ints) -> Ints:
    """For each position the one up to it with the latest end, of several the last, shape (n,)."""
    leads = ends == np.maximum.accumulate(ends)
    found: Ints = np.maximum.accumulate(np.where(leads, np.arange(len(ends)), 0))
    return found
