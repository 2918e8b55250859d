"""A replayable step into the report, and back."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.attribute.activities import ActivityFacts
from profiler.attribute.replay import ActivityCosts, Floats
from profiler.attribute.shares import Scenario
from profiler.attribute.step_evidence import StepEvidence
from profiler.errors import UnreadableError
from profiler.report.evidence import Evidence, KernelFacts
from profiler.report.timeline import DeviceRows, HostRows, Timeline, check_columns
from profiler.report.vocabulary import Cause
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity

# Nanoseconds are what the trace resolves.
_DIGITS = 3


def timeline_record(
    scenario: Scenario, evidence: StepEvidence, names: Sequence[str], causes: Sequence[Cause]
) -> Timeline:
    """The step of a scenario as the report keeps it. `names` and `causes` are those of the device rows."""
    graph, costs = scenario.graph, scenario.costs
    numbers: dict[str, int] = {}
    return Timeline(
        host=HostRows(
            thread=list(graph.thread),
            start_us=_rounded(graph.call_start_us),
            input_us=_rounded(graph.input_us),
            gap_us=_rounded(graph.gap_us),
            call_us=_rounded(graph.call_us),
            wake_us=_rounded(graph.wake_us),
            kind=list(graph.kind),
            waits_for=[list(rows) for rows in graph.waits_for],
        ),
        device=DeviceRows(
            stream=list(graph.stream),
            start_us=_rounded(graph.start_us),
            duration_us=_rounded(graph.duration_us),
            name=[numbers.setdefault(name, len(numbers)) for name in names],
            kind=[Activity(kind).name.lower() for kind in graph.activity],
            cause=list(causes),
            launched_by=list(graph.launched_by),
            issue_delay_us=_rounded(graph.issue_delay_us),
            stream_gap_us=_rounded(graph.stream_gap_us),
            held_by=[list(rows) for rows in graph.held_by],
            fixed_us=_rounded(costs.fixed_us),
            exposed_us=_rounded(costs.exposed_us),
            needs_us={resource: _rounded(need) for resource, need in costs.needs_us.items() if need.any()},
        ),
        names=list(numbers),
        tail_us=_rounded(graph.tail_us),
        traced_wall_us=round(graph.wall_us, _DIGITS),
        host_scale=scenario.calibration.host_scale,
        kernel_scale=scenario.calibration.kernel_scale,
        gap_scale=scenario.calibration.gap_scale,
        input_scale=scenario.calibration.input_scale,
        call_scale=scenario.calibration.call_scale,
        evidence=_evidence_record(evidence),
    )


def restored(timeline: Timeline) -> StepEvidence | None:
    """What the step was judged from, or None where the report is too old to hold it.

    Raises `UnreadableError` where its columns do not fit each other.
    """
    kept = timeline.evidence
    if kept is None:
        return None
    check_columns(timeline)
    if not _fits(timeline, kept):
        raise UnreadableError("the report's kept step is damaged: its evidence does not fit it", "profile again")
    graph, _ = replayable(timeline)
    facts = [
        ActivityFacts(Activity(activity), duration_us, kept.facts[number])
        for activity, duration_us, number in zip(graph.activity, graph.duration_us, kept.facts_of, strict=True)
    ]
    return StepEvidence(graph, facts, kept.clean, kept.peaks)


def _fits(timeline: Timeline, kept: Evidence) -> bool:
    """Whether there is a fact of each row, and what it is and took is known."""
    return (
        len(kept.facts_of) == len(timeline.device.stream)
        and all(0 <= number < len(kept.facts) for number in kept.facts_of)
        and all(kind.upper() in Activity.__members__ for kind in timeline.device.kind)
        and kept.clean.wall_ms >= 0
    )


def _evidence_record(evidence: StepEvidence) -> Evidence:
    numbers: dict[KernelFacts, int] = {}
    facts_of = [numbers.setdefault(fact.kernel, len(numbers)) for fact in evidence.facts]
    return Evidence(clean=evidence.clean, peaks=evidence.peaks, facts=list(numbers), facts_of=facts_of)


def replayable(timeline: Timeline) -> tuple[DependencyGraph, ActivityCosts]:
    """The graph and the costs that `timeline_record` kept."""
    host, device = timeline.host, timeline.device
    graph = DependencyGraph(
        thread=host.thread,
        call_start_us=host.start_us,
        input_us=host.input_us or [0.0] * len(host.gap_us),
        gap_us=host.gap_us,
        call_us=host.call_us,
        wake_us=host.wake_us,
        kind=host.kind,
        waits_for=host.waits_for,
        tail_us=timeline.tail_us,
        launched_by=device.launched_by,
        stream=device.stream,
        start_us=device.start_us,
        duration_us=device.duration_us,
        activity=[Activity[kind.upper()] for kind in device.kind],
        source_row=list(range(len(device.stream))),
        issue_delay_us=device.issue_delay_us,
        stream_gap_us=device.stream_gap_us,
        held_by=device.held_by,
        wall_us=timeline.traced_wall_us,
    )
    return graph, ActivityCosts.of(device.fixed_us, dict(device.needs_us), device.exposed_us)


def _rounded(values: Sequence[float] | Floats) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]
