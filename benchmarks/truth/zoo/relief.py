"""What the verdict's evidence says that a change would gain: the traced step, replayed as the change would make it.

Nothing here is taken from the run that it is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.shares import Scenario
from profiler.attribute.step_evidence import StepEvidence
from profiler.report.ceilings import Ceilings
from profiler.report.vocabulary import Resource
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity

# What no longer takes time: fast enough for its rest not to show.
GONE = 1e6


@dataclass(frozen=True, slots=True)
class Gain:
    """1 - new time / old time: in the best reading of the evidence, and the range over all of them."""

    value: float
    low: float
    high: float


Change = Callable[[Scenario, StepEvidence, Ceilings], Scenario]


@dataclass(frozen=True, slots=True)
class Relief:
    """What is done (`what`) and what that is to the replay: other speeds, another step, or both."""

    what: str
    speeds: Mapping[Resource, float]
    change: Change | None = None

    def predict(self, evidence: StepEvidence, ceilings: Ceilings) -> Gain:
        """The gain, from the evidence alone."""
        gains = []
        for scenario in scenarios_of(evidence)[0]:
            changed = self.change(scenario, evidence, ceilings) if self.change else scenario
            before = scenario.run().period_us
            gains.append(1 - changed.run(self.speeds).period_us / before if before > 0 else 0.0)
        return Gain(gains[0], min(gains), max(gains))


def faster(what: str, **speeds: float) -> Relief:
    """Resources at other speeds, by their names: half the bytes are memory at twice its speed."""
    return Relief(what, {Resource(name): speed for name, speed in speeds.items()})


def pinned(what: str) -> Relief:
    """The step's copies at what pinned memory was measured to reach."""
    return Relief(what, {}, _at_pinned_ceiling)


def without_copies(what: str) -> Relief:
    """Nothing is copied between host and device, and no call asks for it."""
    return Relief(what, {}, _without_copies)


def without_waits(what: str) -> Relief:
    """No stream waits for another."""
    return Relief(what, {}, _without_waits)


def without_syncs(what: str) -> Relief:
    """The host waits once, at the end."""
    return Relief(what, {}, _without_syncs)


def balanced(what: str) -> Relief:
    """The kernels dealt out over the streams in turn."""
    return Relief(what, {}, _balanced)


def _at_pinned_ceiling(scenario: Scenario, evidence: StepEvidence, ceilings: Ceilings) -> Scenario:
    reach = {ceiling.name: ceiling.value for ceiling in ceilings.ceilings}
    way = {Activity.H2D: reach.get("h2d.pinned"), Activity.D2H: reach.get("d2h.pinned")}
    costs = scenario.costs
    needs = costs.needs_us[Resource.PCIE].copy()
    for row, fact in enumerate(evidence.facts):
        gb_per_s, moved = way.get(fact.activity), fact.kernel.bytes
        if gb_per_s and moved is not None:
            needs[row] = min(needs[row], moved / gb_per_s / 1e3)
    return replace(scenario, costs=replace(costs, needs_us={**costs.needs_us, Resource.PCIE: needs}))


def _without_waits(scenario: Scenario, evidence: StepEvidence, ceilings: Ceilings) -> Scenario:
    graph = scenario.graph
    return replace(scenario, graph=replace(graph, held_by=[[] for _ in graph.held_by]))


def _without_syncs(scenario: Scenario, evidence: StepEvidence, ceilings: Ceilings) -> Scenario:
    syncs = [row for row, kind in enumerate(scenario.graph.kind) if kind == "sync"]
    return replace(scenario, graph=_without_calls(scenario.graph, set(syncs[:-1])))


def _without_copies(scenario: Scenario, evidence: StepEvidence, ceilings: Ceilings) -> Scenario:
    graph, costs = scenario.graph, scenario.costs
    copies = {row for row, fact in enumerate(evidence.facts) if fact.activity.is_host_copy}
    left = np.array([row not in copies for row in range(len(costs.fixed_us))], np.float64)
    needs = {resource: column * left for resource, column in costs.needs_us.items()}
    changed = replace(costs, fixed_us=costs.fixed_us * left, needs_us=needs)
    calls = {graph.launched_by[row] for row in copies}
    # A copy that the host waits for may be one call or two: the copy, and then a wait for its stream.
    waits = {call for call, waited in enumerate(graph.waits_for) if waited and set(waited) <= copies}
    return replace(scenario, graph=_without_calls(graph, calls | waits), costs=changed)


def _without_calls(graph: DependencyGraph, gone: set[int]) -> DependencyGraph:
    """The host does not make these calls, though it still does what it did on the way to them."""
    return replace(
        graph,
        call_us=_without(graph.call_us, gone),
        wake_us=_without(graph.wake_us, gone),
        waits_for=[[] if row in gone else waited for row, waited in enumerate(graph.waits_for)],
    )


def _without(column: Sequence[float], gone: set[int]) -> list[float]:
    return [0.0 if row in gone else value for row, value in enumerate(column)]


def _balanced(scenario: Scenario, evidence: StepEvidence, ceilings: Ceilings) -> Scenario:
    graph = scenario.graph
    load = dict.fromkeys(graph.stream, 0.0)
    stream = []
    for row in range(len(graph.stream)):
        freest = min(load, key=lambda key: load[key])
        stream.append(freest)
        load[freest] += graph.duration_us[row]
    return replace(scenario, graph=replace(graph, stream=stream))
