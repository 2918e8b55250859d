"""Which interval lies within which, thread by thread."""

from __future__ import annotations

import numpy as np

from profiler.trace.timeline import Ints


def parents(start_ns: Ints, end_ns: Ints, thread: Ints) -> Ints:
    """For each interval the row of the innermost other one on its thread that contains it, or -1; shape (n,).

    Of equal intervals, the earlier row is the parent. Intervals that overlap without nesting are no parents of
    each other.
    """
    parent = np.full(len(start_ns), -1, np.int64)
    starts, ends, threads = start_ns.tolist(), end_ns.tolist(), thread.tolist()
    stacks: dict[int, list[int]] = {}
    for row in np.lexsort((-end_ns, start_ns)).tolist():
        stack = stacks.setdefault(threads[row], [])
        parent[row] = _innermost(stack, ends, starts[row], ends[row])
        stack.append(row)
    return parent


def enclosing(outer: tuple[Ints, Ints, Ints], start_ns: Ints, end_ns: Ints, thread: Ints) -> Ints:
    """For each interval the row of the innermost `outer` one (start, end, thread) that contains it, or -1."""
    found = np.full(len(start_ns), -1, np.int64)
    outer_start, outer_end, outer_thread = outer
    count = len(outer_start)
    starts = np.concatenate([outer_start, start_ns])
    all_ends = np.concatenate([outer_end, end_ns])
    threads = np.concatenate([outer_thread, thread]).tolist()
    is_inner = np.arange(len(starts)) >= count
    stacks: dict[int, list[int]] = {}
    begins, ends = starts.tolist(), all_ends.tolist()
    for row in np.lexsort((-all_ends, is_inner, starts)).tolist():
        stack = stacks.setdefault(threads[row], [])
        if row >= count:
            found[row - count] = _innermost(stack, ends, begins[row], ends[row])
        else:
            stack.append(row)
    return found


def _innermost(stack: list[int], ends: list[int], start: int, end: int) -> int:
    """Drop what is over before `start`; return the topmost that lasts until `end`."""
    while stack and ends[stack[-1]] < start:
        stack.pop()
    return next((row for row in reversed(stack) if ends[row] >= end), -1)
