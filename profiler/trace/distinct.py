"""Distinct values and rows. `numpy.unique` finds them, too, and imports numpy's masked arrays to do so: 7 ms."""

from __future__ import annotations

from collections.abc import Sequence
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
    order, begins = _ordered(columns)
    which = np.empty(len(order), np.int64)
    which[order] = np.cumsum(begins) - 1
    return np.stack(columns, axis=1)[order[begins]], which


def rows_alike(*columns: Ints) -> list[Ints]:
    """The rows of each combination of values that occurs, shape (n,) each and ascending; in the order of `distinct`."""
    order, begins = _ordered(columns)
    return np.split(order, np.flatnonzero(begins)[1:]) if len(order) else []


def _ordered(columns: Sequence[Ints]) -> tuple[Ints, NDArray[np.bool_]]:
    """The rows in the order of their values, and which of these begin a combination that those before do not have."""
    order = np.lexsort(columns[::-1])
    begins = np.ones(len(order), np.bool_)
    begins[1:] = np.logical_or.reduce([np.diff(column[order]) != 0 for column in columns])
    return order, begins
