"""Which steps run the same kernels."""

from __future__ import annotations

import numpy as np

from profiler.trace.timeline import Ints

# Steps differ by less than this part of their kernels although they are alike: a longer context takes another kernel
# of attention, or one more to combine its pieces. Prefill and decode differ by more: in their matrix products, too.
_ALIKE = 0.1
# More sorts than these are not worth telling apart.
_MOST_SORTS = 6
# Kernels are counted in at most this many numbers a step, so that thousands of steps with hundreds of names fit.
_MOST_COUNTS = 1 << 25


def contents(step: Ints, name: Ints, steps: int, names: int) -> Ints:
    """How often each name runs in each step, shape (steps, names); names share columns where they would be too many."""
    columns = max(1, min(names, _MOST_COUNTS // max(steps, 1)))
    counts = np.bincount(step * columns + name % columns, minlength=steps * columns)
    return counts.reshape(steps, columns)


def sorts_of(counts: Ints) -> tuple[Ints, int]:
    """The sort of each step, shape (steps,), numbered from the most frequent, and how many there are."""
    sort = np.full(len(counts), -1, np.int64)
    total = counts.sum(axis=1)
    for number in range(_MOST_SORTS):
        left = np.flatnonzero(sort < 0)
        if not len(left):
            break
        if number == _MOST_SORTS - 1:
            sort[left] = number
            break
        typical = left[len(left) // 2]
        apart = np.abs(counts[left] - counts[typical]).sum(axis=1)
        sort[left[apart <= _ALIKE * (total[left] + total[typical]) / 2]] = number
    frequent = np.argsort(-np.bincount(sort, minlength=1), kind="stable")
    place = np.empty(len(frequent), np.int64)
    place[frequent] = np.arange(len(frequent))
    return place[sort], int(sort.max(initial=-1)) + 1
