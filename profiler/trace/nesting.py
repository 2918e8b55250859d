"""Which interval lies within which, thread by thread.

In the order of (thread, start, longest first), the innermost interval around another is the last one before it that
ends no sooner. All rows are walked back at once, each from candidate to that one's candidate until one ends late
enough: what lies between two candidates ends before the later one, so nothing is missed.
"""

from __future__ import annotations

import numpy as np

from profiler.trace.timeline import Ints


def parents(start_ns: Ints, end_ns: Ints, thread: Ints) -> Ints:
    """For each interval the row of the innermost other one on its thread that contains it, or -1; shape (n,).

    Of equal intervals, the earlier row is the parent. Intervals that overlap without nesting are no parents of
    each other.
    """
    order = np.lexsort((-end_ns, start_ns, thread))
    found = np.empty(len(order), np.int64)
    found[order] = np.append(order, -1)[_parents_in_order(end_ns[order], thread[order])]
    return found


def enclosing(outer: tuple[Ints, Ints, Ints], start_ns: Ints, end_ns: Ints, thread: Ints) -> Ints:
    """For each interval the row of the innermost `outer` one (start, end, thread) that contains it, or -1."""
    outer_start, outer_end, outer_thread = outer
    order = np.lexsort((-outer_end, outer_start, outer_thread))
    outer_start, outer_end, outer_thread = outer_start[order], outer_end[order], outer_thread[order]
    candidate = np.full(len(start_ns), -1, np.int64)
    by_thread = np.argsort(thread, kind="stable")
    for rows in np.split(by_thread, np.flatnonzero(np.diff(thread[by_thread])) + 1):
        if len(rows):
            first, last = np.searchsorted(outer_thread, [thread[rows[0]], thread[rows[0]] + 1])
            before = np.searchsorted(outer_start[first:last], start_ns[rows], side="right")
            candidate[rows] = np.where(before > 0, first + before - 1, -1)
    around = _parents_in_order(outer_end, outer_thread)
    waiting = np.flatnonzero(candidate >= 0)
    while len(waiting):
        waiting = waiting[outer_end[candidate[waiting]] < end_ns[waiting]]
        candidate[waiting] = around[candidate[waiting]]
        waiting = waiting[candidate[waiting] >= 0]
    found: Ints = np.append(order, -1)[candidate]
    return found


def _parents_in_order(end: Ints, thread: Ints) -> Ints:
    """`parents` of rows in the order of (thread, start, longest first)."""
    candidate = np.arange(-1, len(end) - 1)
    candidate[1:][thread[1:] != thread[:-1]] = -1
    waiting = np.flatnonzero(candidate >= 0)
    while len(waiting):
        waiting = waiting[end[candidate[waiting]] < end[waiting]]
        candidate[waiting] = candidate[candidate[waiting]]
        waiting = waiting[candidate[waiting] >= 0]
    return candidate
