"""What a trace ran on its device, by kernel and operation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from profiler.trace.accounting import exclusive_ns
from profiler.trace.timeline import Activity, Timeline

_NO_KERNEL = -2  # -1 is that nobody knows the operation


@dataclass(frozen=True, slots=True)
class KernelTime:
    """All calls of one kernel or copy by one operation; `operation` is None where it has none, and for all but kernels.

    Kernels were launched by one, whether the trace says it or not; copies and collectives (`is_kernel` false) go by
    their own names. `ns` is their exclusive time: over all of a trace it sums to the busy time.
    """

    name: str
    operation: str | None
    calls: int
    ns: int
    is_kernel: bool = True


def kernel_times(timeline: Timeline) -> list[KernelTime]:
    """The device rows of a trace, summed by their name and the innermost operation around their launch."""
    device = timeline.device
    launched_in = np.append(timeline.operations.name, -1)[device.operation]
    is_kernel = device.kind == Activity.KERNEL
    operation = np.where(is_kernel, launched_in, _NO_KERNEL)
    pairs, pair = np.unique(np.stack([device.name, operation], axis=1), axis=0, return_inverse=True)
    calls = np.bincount(pair.reshape(-1), minlength=len(pairs))
    own_ns = np.zeros(len(pairs), np.int64)
    np.add.at(own_ns, pair.reshape(-1), exclusive_ns(device))
    names = timeline.names
    return [
        KernelTime(names[name], names[launcher] if launcher >= 0 else None, count, ns, launcher != _NO_KERNEL)
        for (name, launcher), count, ns in zip(pairs.tolist(), calls.tolist(), own_ns.tolist(), strict=True)
    ]


def summed(ranks: Iterable[list[KernelTime]]) -> list[KernelTime]:
    """The same of several ranks together."""
    total: dict[tuple[str, str | None, bool], KernelTime] = {}
    for each in (kernel for rank in ranks for kernel in rank):
        key = (each.name, each.operation, each.is_kernel)
        known = total.get(key)
        total[key] = replace(each, calls=known.calls + each.calls, ns=known.ns + each.ns) if known else each
    return list(total.values())
