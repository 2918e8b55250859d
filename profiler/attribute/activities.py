"""What each activity of a step costs on each resource, and the cause that its time is laid to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profiler.attribute.limiter import Band, kernel_cost
from profiler.attribute.replay import ActivityCosts
from profiler.report.evidence import KernelFacts, Peaks
from profiler.report.vocabulary import Cause, Resource, Tier
from profiler.trace.timeline import Activity

_COPY_CAUSE = {
    Activity.H2D: (Resource.PCIE, Cause.IO_H2D),
    Activity.D2H: (Resource.PCIE, Cause.IO_D2H),
    Activity.P2P: (Resource.LINK, Cause.IO_COLLECTIVE),
    Activity.COLLECTIVE: (Resource.LINK, Cause.IO_COLLECTIVE),
    Activity.D2D: (Resource.DRAM, Cause.MEMORY_COPY),
    Activity.MEMSET: (Resource.DRAM, Cause.MEMORY_COPY),
}


@dataclass(frozen=True, slots=True)
class ActivityFacts:
    """One device row: what it is, and for a kernel what is known of its work."""

    activity: Activity
    duration_us: float
    kernel: KernelFacts


@dataclass(frozen=True, slots=True)
class Limited:
    """Costs of all rows, and what limits each."""

    costs: ActivityCosts
    limiters: list[Resource]
    causes: list[Cause]
    tiers: list[Tier]
    known: list[bool]
    traffic_us: list[float]  # what a kernel's bytes alone would take; 0 for copies, which are nothing else


def limit(facts: Sequence[ActivityFacts], peaks: Peaks, band: Band | None = None) -> Limited:
    """The cost model of every row.

    A copy lasts as long as it does because of its bus, but for the fixed cost that any activity has.
    """
    columns = (Resource.DRAM, Resource.TENSOR, Resource.ISSUE, Resource.PCIE, Resource.LINK)
    needs: dict[Resource, list[float]] = {resource: [] for resource in columns}
    limited = Limited(ActivityCosts([], needs, []), [], [], [], [], [])
    for fact in facts:
        row = dict.fromkeys(columns, 0.0)
        if fact.activity is Activity.KERNEL:
            cost = kernel_cost(fact.duration_us, fact.kernel, peaks, band)
            fixed, limiter, cause, known = cost.fixed_us, cost.limiter, cost.cause, cost.known
            exposed, traffic = cost.exposed_us, cost.traffic_us
            row |= {Resource.DRAM: cost.dram_us, Resource.TENSOR: cost.tensor_us, Resource.ISSUE: cost.issue_us}
        else:
            limiter, cause = _COPY_CAUSE[fact.activity]
            fixed, known = min(peaks.kernel_us, fact.duration_us), True
            exposed = traffic = 0.0
            row[limiter] = fact.duration_us - fixed
        limited.costs.fixed_us.append(fixed)
        limited.costs.exposed_us.append(exposed)
        for resource, microseconds in row.items():
            needs[resource].append(microseconds)
        limited.limiters.append(limiter)
        limited.causes.append(cause)
        limited.tiers.append(Tier.ANALYTIC if fact.activity is Activity.KERNEL else Tier.TIMELINE)
        limited.known.append(known)
        limited.traffic_us.append(traffic)
    return limited
