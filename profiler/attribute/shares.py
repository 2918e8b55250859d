"""How much of a gain in each resource's speed reaches the user, found by replay, with what could make it wrong.

An interval is the range over scenarios: each states one thing that the evidence leaves open (the clean time's own
interval, where a unit begins to limit, what kernels of unknown traffic do) at either of its ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from profiler.attribute.calibration import Calibrated
from profiler.attribute.replay import ActivityCosts, Calibration, Replayed, replay
from profiler.report.records import Share
from profiler.report.vocabulary import BottleneckClass, Resource
from profiler.trace.graph import DependencyGraph

# Small, so that shares are elasticities and sum to one.
STEP = 1.01


@dataclass(frozen=True, slots=True)
class Scenario:
    """One reading of the evidence: what the activities cost, how the trace is scaled, and how long that takes."""

    label: str
    graph: DependencyGraph
    costs: ActivityCosts
    calibrated: Calibrated

    @property
    def calibration(self) -> Calibration:
        """The scales of host and kernels."""
        return self.calibrated.calibration

    def run(self, speeds: Mapping[Resource, float] | None = None) -> Replayed:
        """The step at these speeds."""
        return replay(self.graph, self.costs, self.calibration, speeds)


Table = list[dict[Resource, float]]


def share_table(
    scenarios: Sequence[Scenario], step: float = STEP, speeds: Mapping[Resource, float] | None = None
) -> Table:
    """(1 - T(step)/T) / (1 - 1/step) of every resource, in every scenario. 0 where nothing takes time.

    With `speeds`, T is the step at these speeds, and each resource goes `step` times faster than there.
    """
    return [_shares(scenario, step, speeds or {}) for scenario in scenarios]


def _shares(scenario: Scenario, step: float, speeds: Mapping[Resource, float]) -> dict[Resource, float]:
    base = scenario.run(speeds).period_us
    shares = dict.fromkeys(Resource, 0.0)
    if base <= 0:
        return shares
    waits_for_input = any(scenario.graph.input_us)
    for resource in Resource:
        on_host = resource in (Resource.HOST, Resource.LATENCY) or (resource is Resource.DISK and waits_for_input)
        if on_host or scenario.costs.uses(resource):
            faster = {**speeds, resource: speeds.get(resource, 1.0) * step}
            shares[resource] = (1 - scenario.run(faster).period_us / base) / (1 - 1 / step)
    return shares


def share_records(table: Table, step: float = STEP) -> list[Share]:
    """Shares of every resource, largest first; the first scenario gives the value, all of them the interval."""
    found = []
    for resource in Resource:
        values = [shares[resource] for shares in table]
        found.append(
            Share(
                resource=resource,
                class_=resource.bottleneck_class,
                share=values[0],
                low=min(values),
                high=max(values),
                step=step,
            )
        )
    return sorted(found, key=lambda share: -share.share)


def class_shares(table: Table) -> list[dict[BottleneckClass, float]]:
    """The share of each class in each scenario."""
    totals = []
    for shares in table:
        total = dict.fromkeys(BottleneckClass, 0.0)
        for resource, share in shares.items():
            total[resource.bottleneck_class] += share
        totals.append(total)
    return totals
