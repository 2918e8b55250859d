"""Some rows of a table: their columns, and their new numbers."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from profiler.trace.timeline import DeviceEvents, HostCalls, Ints, Operations, Ranges

Rows = NDArray[np.bool_]
Table = TypeVar("Table", DeviceEvents, HostCalls, Operations, Ranges)


def kept(table: Table, rows: Rows) -> Table:
    """The table with only these rows, shape (n,); its references are not renumbered."""
    numbers = np.flatnonzero(rows).tolist()
    columns: dict[str, Any] = {}
    for name in table.__struct_fields__:
        column = getattr(table, name)
        if isinstance(column, np.ndarray):
            columns[name] = column[rows]
        elif isinstance(column, list):
            columns[name] = [column[number] for number in numbers if column]
    return replace(table, **columns)


def renumbering(rows: Rows) -> Ints:
    """New row by old row; its last entry, which -1 reaches, stays -1."""
    return np.append(np.where(rows, np.cumsum(rows) - 1, -1), -1)
