"""What each activity of a step costs on each resource, and the cause that its time is laid to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from profiler.attribute.limiter import LIMITERS, Band, Flags, Floats, Told, kernel_costs, told_of
from profiler.attribute.replay import ActivityCosts
from profiler.report.evidence import KernelFacts, Peaks
from profiler.report.vocabulary import Cause, Resource, Tier
from profiler.trace.timeline import Activity, Ints

RESOURCES = tuple(Resource)
_COPY_CAUSE = {
    Activity.H2D: (Resource.PCIE, Cause.IO_H2D),
    Activity.D2H: (Resource.PCIE, Cause.IO_D2H),
    Activity.P2P: (Resource.LINK, Cause.IO_COLLECTIVE),
    Activity.COLLECTIVE: (Resource.LINK, Cause.IO_COLLECTIVE),
    Activity.D2D: (Resource.DRAM, Cause.MEMORY_COPY),
    Activity.MEMSET: (Resource.DRAM, Cause.MEMORY_COPY),
}


class ActivityFacts(Struct, frozen=True):
    """One device row: what it is, and for a kernel what is known of its work."""

    activity: Activity
    duration_us: float
    kernel: KernelFacts


class FactColumns(Struct, frozen=True):
    """The facts of many device rows, shape (n,): `kernels[kernel[row]]` is what is known of one.

    Rows that are alike may share their entry, which is then looked at once.
    """

    activity: Ints
    duration_us: Floats
    kernels: Sequence[KernelFacts]
    kernel: Ints

    @classmethod
    def of(cls, facts: Sequence[ActivityFacts]) -> FactColumns:
        """Of rows one by one."""
        activity = np.array([fact.activity for fact in facts], np.int64)
        duration_us = np.array([fact.duration_us for fact in facts], np.float64)
        return cls(activity, duration_us, [fact.kernel for fact in facts], np.arange(len(facts)))

    def flags(self, of: Callable[[KernelFacts], bool]) -> Flags:
        """Whether something is true of each row's kernel."""
        return np.array([of(kernel) for kernel in self.kernels], np.bool_)[self.kernel]


class Limited(Struct, frozen=True):
    """Costs of all rows, and what limits each."""

    costs: ActivityCosts
    limiter: Ints  # numbers `RESOURCES`
    causes: list[Cause]
    tiers: list[Tier]
    known: list[bool]
    traffic_us: Floats  # what a kernel's bytes alone would take; 0 for copies, which are nothing else
    told: Told  # of each row what it was judged from, whatever it is

    @property
    def limiters(self) -> list[Resource]:
        """What limits each row."""
        return [RESOURCES[number] for number in self.limiter.tolist()]

    def limited_by(self, *resources: Resource) -> Flags:
        """Which rows one of these limits."""
        return np.isin(self.limiter, [RESOURCES.index(resource) for resource in resources])


def limit(facts: FactColumns, peaks: Peaks, band: Band | None = None, told: Told | None = None) -> Limited:
    """The cost model of every row; `told`, where it is at hand, is that of another band.

    A copy lasts as long as it does because of its bus, but for the fixed cost that any activity has.
    """
    told = told or told_of(facts.kernels, peaks).taken(facts.kernel)
    found = kernel_costs(facts.duration_us, told, peaks, band)
    is_kernel = facts.activity == Activity.KERNEL
    bus = _BUS[facts.activity]
    of_copies = np.minimum(peaks.kernel_us, facts.duration_us)
    on_bus = facts.duration_us - of_copies
    of_kernels = {Resource.DRAM: found.dram_us, Resource.TENSOR: found.tensor_us, Resource.ISSUE: found.issue_us}
    nothing = np.zeros(len(on_bus))
    needs = {
        resource: np.where(
            is_kernel, of_kernels.get(resource, nothing), np.where(bus == RESOURCES.index(resource), on_bus, nothing)
        )
        for resource in (*of_kernels, Resource.PCIE, Resource.LINK)
    }
    costs = ActivityCosts(
        np.where(is_kernel, found.fixed_us, of_copies), needs, np.where(is_kernel, found.exposed_us, nothing)
    )
    return Limited(
        costs=costs,
        limiter=np.where(is_kernel, _LIMITERS[found.limiter], bus),
        causes=np.where(is_kernel, np.array(found.causes, np.object_), _BUS_CAUSE[facts.activity]).tolist(),
        tiers=_TIERS[is_kernel.astype(np.int64)].tolist(),
        known=(~is_kernel | found.known).tolist(),
        traffic_us=np.where(is_kernel, found.traffic_us, nothing),
        told=told,
    )


_BUS = np.array([RESOURCES.index(_COPY_CAUSE[kind][0]) if kind in _COPY_CAUSE else -1 for kind in Activity], np.int64)
_BUS_CAUSE = np.array([_COPY_CAUSE.get(kind, (None, None))[1] for kind in Activity], np.object_)
_LIMITERS = np.array([RESOURCES.index(resource) for resource in LIMITERS], np.int64)
_TIERS = np.array([Tier.TIMELINE, Tier.ANALYTIC], np.object_)
