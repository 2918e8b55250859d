"""Which runs of a trace are of the same kernel, doing the same work."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from profiler.trace.timeline import Ints, Timeline

KernelKey = tuple[str, tuple[int, int, int]]
"""Name and grid. Runs that share both and last about as long do the same work, as far as a trace can tell."""

APART = 1.25  # durations further apart than this are of different work
STRAY = 0.02  # of a kernel's runs: fewer are no kernel of their own


def kernels_in(timeline: Timeline, rows: Ints, duration_ns: NDArray[np.float64]) -> tuple[list[KernelKey], Ints]:
    """The kernels that there are, and the number of each row's."""
    device = timeline.device
    rows_of: dict[KernelKey, list[int]] = defaultdict(list)
    for index, (name, (x, y, z)) in enumerate(zip(device.name[rows].tolist(), device.grid[rows].tolist(), strict=True)):
        rows_of[timeline.names[name], (int(x), int(y), int(z))].append(index)
    keys: list[KernelKey] = []
    number = np.empty(len(rows), np.int64)
    for key, mine in rows_of.items():
        indices = np.asarray(mine)
        for part in told_apart(duration_ns[indices]):
            number[indices[part]] = len(keys)
            keys.append(key)
    return keys, number


def told_apart(duration_ns: NDArray[np.float64]) -> list[Ints]:
    """Runs of one name and grid, told apart where their durations leave a gap: matrix products of two sizes can share
    both. Stray runs go with the nearest. Indices into `duration_ns`, the shortest runs first.
    """
    order = np.argsort(duration_ns, kind="stable")
    logs = np.log(np.maximum(duration_ns[order], 1.0))
    parts = np.split(order, np.flatnonzero(np.diff(logs) > np.log(APART)) + 1)
    large = [part for part in parts if len(part) >= STRAY * len(order)]
    if not large:
        return [order]
    middles = [float(np.median(duration_ns[part])) for part in large]
    for part in parts:
        if len(part) < STRAY * len(order):
            middle = float(np.median(duration_ns[part]))
            nearest = min(range(len(large)), key=lambda index: abs(np.log(middle / middles[index])))
            large[nearest] = np.append(large[nearest], part)
    return large
