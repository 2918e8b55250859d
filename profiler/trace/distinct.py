"""Distinct values and rows. `numpy.unique` finds them, too, and imports numpy's masked arrays to do so: 7 ms."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from profiler.trace.timeline import Ints

Number = TypeVar("Number", np.int64, np.float64)


def values(column: NDArray[Number]) -> NDArray[Number]:
    """Each value that occurs, once and sorted; shape (n,). None of them may be NaN."""
    ordered = np.sort(column)
    begins = np.ones(len(ordered), np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    return ordered[begins]


def distinct(*columns: Ints) -> Ints:
    """Each combination of values that occurs, once and sorted; shape (n, columns)."""
    return numbered(*columns)[0]


def numbered(*columns: Ints) -> tuple[Ints, Ints]:
    """As `distinct`, and for each row of the columns which of these it has; shape (rows,)."""
    order = np.lexsort(columns[::-1])
    rows = np.stack(columns, axis=1)[order]
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    which = np.empty(len(rows), np.int64)
    which[order] = np.cumsum(begins) - 1
    return rows[begins], which
