"""Rows that are alike, taken together."""

from __future__ import annotations

import numpy as np

from profiler.trace.timeline import Ints


def rows_alike(*columns: Ints) -> list[Ints]:
    """The rows of each combination of values that occurs in the columns, shape (n,) each."""
    order = np.lexsort(columns)
    if not len(order):
        return []
    differs = np.any([np.diff(column[order]) != 0 for column in columns], axis=0)
    return np.split(order, np.flatnonzero(differs) + 1)
