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


Table = list[dict[Resource, float]]


def share_table(
    scenarios: Sequence[Scenario], step: float = STEP, speeds: Mapping[Resource, float] | None = None
) -> Table:
    """(1 - T(step)/T) / (1 - 1/step) of every resource, in every scenario. 0 where nothing takes time.

    With `speeds`, T is the step at these speeds, and each resource goes `step` times faster than there.
    """
    at = speeds or {}
    asked = [
        (number, resource)
        for number, scenario in enumerate(scenarios)
        for resource in (None, *_resources_in_use(scenario))
    ]
    faster = [at if resource is None else {**at, resource: at.get(resource, 1.0) * step} for _, resource in asked]
    of_scenario = [scenarios[number] for number, _ in asked]
    periods = scenario_periods_us(list(zip(of_scenario, faster, strict=True)))
    table: Table = [dict.fromkeys(Resource, 0.0) for _ in scenarios]
    base = 0.0
    for (number, resource), period in zip(asked, periods, strict=True):
        if resource is None:
            base = period
        elif base > 0 and abs(1 - period / base) > _ROUNDING:
            table[number][resource] = (1 - period / base) / (1 - 1 / step)
    return table


def _resources_in_use(scenario: Scenario) -> list[Resource]:
    on_host = {Resource.HOST, Resource.LATENCY} | ({Resource.DISK} if any(scenario.graph.input_us) else set())
    return [resource for resource in Resource if resource in on_host or scenario.costs.uses(resource)]


def scenario_periods_us(asked: Sequence[tuple[Scenario, Mapping[Resource, float]]]) -> list[float]:
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
