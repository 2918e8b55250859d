"""The readings of the evidence that a verdict must stand under: the best one first, then what it leaves open."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from profiler.attribute.activities import FactColumns, Limited, limit
from profiler.attribute.calibration import calibrate, host_noise_ratio
from profiler.attribute.limiter import SATURATED_RATIO, UNSATURATED_RATIO, Band, Flags
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
    graph, facts, clean, peaks = evidence.graph, FactColumns.of(evidence.facts), evidence.clean, evidence.peaks

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


def kernel_readings(facts: FactColumns, peaks: Peaks, best: Limited) -> list[tuple[str, Limited]]:
    """What the evidence leaves open of the kernels, each question taken to an end; `best` is the best reading."""
    found = [
        (label, limit(facts, peaks, Band(ratio, ratio), best.told))
        for label, ratio in (("units limit early", UNSATURATED_RATIO), ("units limit late", SATURATED_RATIO))
    ]
    found.append(("kernels stall on their traffic", _stalls_on_traffic(best, facts)))
    found.append(("all traffic is hidden", _all_hidden(best)))
    found.append(("nothing fetches ahead", _fetching_late(best, facts)))
    # Special functions, however near to the bandwidth ceiling they run: Bessel's i0e ran at 0.93 of it on an H100, and
    # with 1.4 times the bandwidth hardly faster.
    is_special = facts.flags(lambda kernel: kernel.is_special_function)
    if (is_special & facts.flags(lambda kernel: kernel.issue_active_ratio is None)).any():
        found.append(("special functions issue", as_limited_by(Resource.ISSUE, best, facts, peaks, is_special)))
    if not all(best.known):
        found.append((UNKNOWN_AS_MEMORY, unknown_as_memory(best, facts, peaks)))
    return found


def _stalls_on_traffic(best: Limited, facts: FactColumns) -> Limited:
    """Kernels that issue or stall, read as if their traffic did not overlap with that at all.

    Kernels that keep the matrix units busy fetch their operands ahead.
    """
    busy, traffic = facts.duration_us - best.costs.fixed_us, best.traffic_us
    stalls, issues = best.limited_by(Resource.LATENCY), best.limited_by(Resource.ISSUE)
    needs = {resource: np.where(best.limited_by(resource), busy, 0.0) for resource in best.costs.needs_us}
    needs[Resource.ISSUE] = np.where(issues, np.maximum(busy - traffic, 0.0), 0.0)
    fixed = np.where(stalls, facts.duration_us - traffic, best.costs.fixed_us)
    return replace(best, costs=ActivityCosts(fixed, needs, np.where(stalls | issues, traffic, 0.0)))


def _all_hidden(best: Limited) -> Limited:
    """Traffic below saturation, read as hidden behind the kernel's own work or stalls."""
    exposed, needs = best.costs.exposed_us, dict(best.costs.needs_us)
    issues = needs[Resource.ISSUE] > 0
    behind_issue = (exposed > 0) & issues
    needs[Resource.ISSUE] = np.where(issues, needs[Resource.ISSUE] + exposed, needs[Resource.ISSUE])
    hidden = np.minimum(best.traffic_us, needs[Resource.ISSUE])
    needs[Resource.DRAM] = np.where(behind_issue, hidden, needs[Resource.DRAM])
    return replace(best, costs=ActivityCosts(best.costs.fixed_us + np.where(issues, 0.0, exposed), needs))


def _fetching_late(best: Limited, facts: FactColumns) -> Limited:
    """Matrix products and attention, read as kernels whose threads load when they need: exposed traffic there, too."""
    busy = facts.duration_us - best.costs.fixed_us
    late = facts.flags(lambda kernel: kernel.uses_matrix_units) & (busy > 0)
    late &= best.limited_by(Resource.TENSOR, Resource.ISSUE)
    waited = np.divide(np.minimum(best.traffic_us, busy) ** 2, busy, out=np.zeros_like(busy), where=late)
    needs = {
        resource: np.where(late, np.minimum(column, busy - waited), column)
        for resource, column in best.costs.needs_us.items()
    }
    exposed = np.where(late, waited, best.costs.exposed_us)
    return replace(best, costs=ActivityCosts(best.costs.fixed_us, needs, exposed))


def unknown_as_memory(best: Limited, facts: FactColumns, peaks: Peaks) -> Limited:
    """Rows of which nobody knows what they wait for, read as waiting for memory."""
    return as_limited_by(Resource.DRAM, best, facts, peaks, ~np.array(best.known, np.bool_))


def as_limited_by(resource: Resource, limited: Limited, facts: FactColumns, peaks: Peaks, chosen: Flags) -> Limited:
    """The chosen rows limited by `resource`: all but the fixed cost that any kernel has."""
    fixed = np.where(chosen, np.minimum(peaks.kernel_us, facts.duration_us), limited.costs.fixed_us)
    needs = {other: np.where(chosen, 0.0, column) for other, column in limited.costs.needs_us.items()}
    needs[resource] = np.where(chosen, facts.duration_us - fixed, needs[resource])
    return replace(limited, costs=ActivityCosts(fixed, needs, np.where(chosen, 0.0, limited.costs.exposed_us)))
