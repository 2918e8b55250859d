"""How much of a gain in each resource's speed reaches the user, found by replay, with what could make it wrong.

An interval is the range over scenarios: each states one thing that the evidence leaves open (the clean time's own
interval, where a unit begins to limit, what kernels of unknown traffic do) at either of its ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from profiler.attribute.calibration import Calibrated
from profiler.attribute.periods import Run, periods_us
from profiler.attribute.replay import ActivityCosts, Calibration, Floats, Replayed, replay
from profiler.report.records import Share
from profiler.report.vocabulary import BottleneckClass, Resource
from profiler.trace.graph import DependencyGraph

# Small, so that shares are elasticities and sum to one.
STEP = 1.01
# What sums of a million doubles may be off by, relatively.
_ROUNDING = 1e-12


class Scenario(Struct, frozen=True):
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


def inside_window(scenarios: Sequence[Scenario], inside_ratio: Floats) -> list[Scenario]:
    """The scenarios where a window clips rows: each costs the part that lies inside, shape (n,)."""
    if (inside_ratio == 1).all():
        return list(scenarios)
    costs = {id(each.costs): each.costs.part(inside_ratio) for each in scenarios}
    return [replace(each, costs=costs[id(each.costs)]) for each in scenarios]


Asked = tuple[Scenario, Mapping[Resource, float]]  # what is replayed: a reading, and the speeds in it
Table = list[dict[Resource, float]]


def share_table(
    scenarios: Sequence[Scenario], step: float = STEP, speeds: Mapping[Resource, float] | None = None
) -> Table:
    """The shares of every resource in every scenario, all at the same `speeds`: see `shares_at`."""
    return shares_at([(scenario, speeds or {}) for scenario in scenarios], step)


def shares_at(asked: Sequence[Asked], step: float = STEP) -> Table:
    """The share of every resource in each of these: T is the step there, and one resource at a time goes faster."""
    turned = [
        (number, resource)
        for number, (scenario, _) in enumerate(asked)
        for resource in (None, *_resources_in_use(scenario))
    ]
    periods = scenario_periods_us([_faster(asked[number], resource, step) for number, resource in turned])
    table: Table = [dict.fromkeys(Resource, 0.0) for _ in asked]
    base = 0.0
    for (number, resource), period in zip(turned, periods, strict=True):
        if resource is None:
            base = period
        else:
            table[number][resource] = share_of(base, period, step)
    return table


def share_of(base: float, faster: float, step: float = STEP) -> float:
    """(1 - T(step)/T) / (1 - 1/step) of what makes T `faster`. 0 where nothing takes time."""
    if base <= 0 or abs(1 - faster / base) <= _ROUNDING:
        return 0.0
    return (1 - faster / base) / (1 - 1 / step)


def _faster(asked: Asked, resource: Resource | None, step: float) -> Asked:
    scenario, at = asked
    return asked if resource is None else (scenario, {**at, resource: at.get(resource, 1.0) * step})


def _resources_in_use(scenario: Scenario) -> list[Resource]:
    on_host = {Resource.HOST, Resource.LATENCY} | ({Resource.DISK} if any(scenario.graph.input_us) else set())
    return [resource for resource in Resource if resource in on_host or scenario.costs.uses(resource)]


def scenario_periods_us(asked: Sequence[Asked]) -> list[float]:
    """The periods of scenarios at speeds; those of one graph are replayed together."""
    periods = np.zeros(len(asked))
    graphs = {id(scenario.graph): scenario.graph for scenario, _ in asked}
    for graph in graphs.values():
        mine = [number for number, (scenario, _) in enumerate(asked) if scenario.graph is graph]
        runs = [Run(asked[number][0].costs, asked[number][0].calibration, asked[number][1]) for number in mine]
        periods[mine] = periods_us(graph, runs)
    return periods.tolist()


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
