"""The readings of the evidence that a verdict must stand under: the best one first, then what it leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from profiler.attribute.activities import ActivityFacts, Limited, limit
from profiler.attribute.calibration import calibrate, host_noise_ratio
from profiler.attribute.limiter import SATURATED_RATIO, UNSATURATED_RATIO, Band
from profiler.attribute.replay import ActivityCosts
from profiler.attribute.shares import Scenario
from profiler.attribute.step_evidence import StepEvidence
from profiler.report.evidence import Peaks
from profiler.report.vocabulary import Resource

# Untraced over traced host time: what was seen lies well within.
_HOST_SCALES = {"tracing slowed the host a lot": 0.25, "tracing slowed the host little": 0.8}

UNKNOWN_AS_MEMORY = "unknown kernels wait for memory"


def scenarios_of(evidence: StepEvidence) -> tuple[list[Scenario], Limited]:
    """The scenarios, the best reading first, and what limits each device row in it."""
    graph, facts, clean, peaks = evidence.graph, evidence.facts, evidence.clean, evidence.peaks

    # A measured host holds within noise; an assumed one gives way.
    noise_ratio = None if clean.host_ms is None else host_noise_ratio(clean.wall_ms, clean.low_ms, clean.high_ms)

    def scenario(label: str, wall_ms: float, limited: Limited, host_ms: float | None = clean.host_ms) -> Scenario:
        host_us = None if host_ms is None else host_ms * 1e3
        calibrated = calibrate(graph, limited.costs, wall_ms * 1e3, host_us, noise_ratio)
        return Scenario(label, graph, limited.costs, calibrated)

    best = limit(facts, peaks)
    found = [scenario("best reading", clean.wall_ms, best)]
    if clean.low_ms is not None and clean.high_ms is not None:
        found += [
            scenario("a fast run", max(clean.low_ms, 0.0), best),
            scenario("a slow run", clean.high_ms, best),
        ]
    found += [scenario(label, clean.wall_ms, limited) for label, limited in kernel_readings(facts, peaks, best)]
    if clean.host_ms is None:
        for label, scale in _HOST_SCALES.items():
            found.append(scenario(label, clean.wall_ms, best, scale * graph.host_us / 1e3))
    return found, best


def kernel_readings(facts: Sequence[ActivityFacts], peaks: Peaks, best: Limited) -> list[tuple[str, Limited]]:
    """What the evidence leaves open of the kernels, each question taken to an end; `best` is the best reading."""
    found = [
        (label, limit(facts, peaks, Band(ratio, ratio)))
        for label, ratio in (("units limit early", UNSATURATED_RATIO), ("units limit late", SATURATED_RATIO))
    ]
    found.append(("kernels stall on their traffic", _stalls_on_traffic(best, facts)))
    found.append(("all traffic is hidden", _all_hidden(best)))
    found.append(("nothing fetches ahead", _fetching_late(best, facts)))
    if any(fact.kernel.is_special_function and fact.kernel.issue_active_ratio is None for fact in facts):
        found.append(("special functions issue", _special_as_issue(best, facts, peaks)))
    if not all(best.known):
        found.append((UNKNOWN_AS_MEMORY, _unknown_as_memory(best, facts, peaks)))
    return found


def _stalls_on_traffic(best: Limited, facts: Sequence[ActivityFacts]) -> Limited:
    """Kernels that issue or stall, read as if their traffic did not overlap with that at all.

    Kernels that keep the matrix units busy fetch their operands ahead.
    """
    fixed, exposed = list(best.costs.fixed_us), [0.0] * len(best.costs.fixed_us)
    needs = {resource: [0.0] * len(fixed) for resource in best.costs.needs_us}
    for row, (fact, limiter, traffic) in enumerate(zip(facts, best.limiters, best.traffic_us, strict=True)):
        busy = fact.duration_us - fixed[row]
        if limiter is Resource.LATENCY:
            fixed[row] = fact.duration_us - traffic
            exposed[row] = traffic
        elif limiter is Resource.ISSUE:
            exposed[row], needs[Resource.ISSUE][row] = traffic, max(busy - traffic, 0.0)
        else:
            needs[limiter][row] = busy
    return replace(best, costs=ActivityCosts(fixed, needs, exposed))


def _all_hidden(best: Limited) -> Limited:
    """Traffic below saturation, read as hidden behind the kernel's own work or stalls."""
    fixed, needs = list(best.costs.fixed_us), _copied(best.costs.needs_us)
    for row, exposed in enumerate(best.costs.exposed_us):
        if not exposed:
            continue
        if needs[Resource.ISSUE][row] > 0:
            needs[Resource.ISSUE][row] += exposed
            needs[Resource.DRAM][row] = min(best.traffic_us[row], needs[Resource.ISSUE][row])
        else:
            fixed[row] += exposed
    return replace(best, costs=ActivityCosts(fixed, needs))


def _fetching_late(best: Limited, facts: Sequence[ActivityFacts]) -> Limited:
    """Matrix products and attention, read as kernels whose threads load when they need: exposed traffic there, too."""
    needs, exposed = _copied(best.costs.needs_us), list(best.costs.exposed_us)
    for row, (fact, limiter, traffic) in enumerate(zip(facts, best.limiters, best.traffic_us, strict=True)):
        busy = fact.duration_us - best.costs.fixed_us[row]
        if fact.kernel.uses_matrix_units and limiter in (Resource.TENSOR, Resource.ISSUE) and busy > 0:
            exposed[row] = min(traffic, busy) ** 2 / busy
            for column in needs.values():
                column[row] = min(column[row], busy - exposed[row])
    return replace(best, costs=ActivityCosts(list(best.costs.fixed_us), needs, exposed))


def _copied(needs_us: dict[Resource, list[float]]) -> dict[Resource, list[float]]:
    return {resource: list(column) for resource, column in needs_us.items()}


def _unknown_as_memory(limited: Limited, facts: Sequence[ActivityFacts], peaks: Peaks) -> Limited:
    """The kernels of unknown work, read as limited by memory."""
    return _as_limited_by(Resource.DRAM, limited, facts, peaks, [not known for known in limited.known])


def _special_as_issue(limited: Limited, facts: Sequence[ActivityFacts], peaks: Peaks) -> Limited:
    """Special functions, read as limited by their instructions, however near to the bandwidth ceiling they run.

    Bessel's i0e ran at 0.93 of it on an H100, and with 1.4 times the bandwidth hardly faster.
    """
    chosen = [fact.kernel.is_special_function for fact in facts]
    return _as_limited_by(Resource.ISSUE, limited, facts, peaks, chosen)


def _as_limited_by(
    resource: Resource, limited: Limited, facts: Sequence[ActivityFacts], peaks: Peaks, chosen: Sequence[bool]
) -> Limited:
    """The chosen rows limited by `resource`: all but the fixed cost that any kernel has."""
    fixed, exposed = list(limited.costs.fixed_us), list(limited.costs.exposed_us)
    needs = _copied(limited.costs.needs_us)
    for row, (is_chosen, fact) in enumerate(zip(chosen, facts, strict=True)):
        if is_chosen:
            fixed[row], exposed[row] = min(peaks.kernel_us, fact.duration_us), 0.0
            for column in needs.values():
                column[row] = 0.0
            needs[resource][row] = fact.duration_us - fixed[row]
    return replace(limited, costs=replace(limited.costs, fixed_us=fixed, needs_us=needs, exposed_us=exposed))
