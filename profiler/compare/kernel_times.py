"""What a trace ran on its device, by kernel and operation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from profiler.trace.accounting import exclusive_ns
from profiler.trace.timeline import Activity, Timeline


@dataclass(frozen=True, slots=True)
class KernelTime:
    """All calls of one kernel or copy by one operation; `operation` is None where it has none, and for all but kernels.

    `ns` is their exclusive time: over all of a trace it sums to the busy time.
    """

    name: str
    operation: str | None
    calls: int
    ns: int


def kernel_times(timeline: Timeline) -> list[KernelTime]:
    """The device rows of a trace, summed by their name and the innermost operation around their launch."""
    device = timeline.device
    launched_in = np.append(timeline.operations.name, -1)[device.operation]
    operation = np.where(device.kind == Activity.KERNEL, launched_in, -1)
    pairs, pair = np.unique(np.stack([device.name, operation], axis=1), axis=0, return_inverse=True)
    calls = np.bincount(pair.reshape(-1), minlength=len(pairs))
    own_ns = np.zeros(len(pairs), np.int64)
    np.add.at(own_ns, pair.reshape(-1), exclusive_ns(device))
    names = timeline.names
    return [
        KernelTime(names[name], names[launcher] if launcher >= 0 else None, count, ns)
        for (name, launcher), count, ns in zip(pairs.tolist(), calls.tolist(), own_ns.tolist(), strict=True)
    ]


def summed(ranks: Iterable[list[KernelTime]]) -> list[KernelTime]:
    """The same of several ranks together."""
    total: dict[tuple[str, str | None], tuple[int, int]] = {}
    for each in (kernel for rank in ranks for kernel in rank):
        calls, ns = total.get((each.name, each.operation), (0, 0))
        total[each.name, each.operation] = (calls + each.calls, ns + each.ns)
    return [KernelTime(name, operation, *sums) for (name, operation), sums in total.items()]
