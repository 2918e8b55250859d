"""The phases of a trace as records: each with its times over all its steps, and the verdict of typical ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from profiler.attribute.step_phases import StepPhase, phases_of, step_time
from profiler.attribute.trace_ceilings import TraceCeilings
from profiler.attribute.traced import judge_traced
from profiler.attribute.traced_parts import TracedJudgement
from profiler.report.analysis import PhaseAnalysis
from profiler.report.source import Source
from profiler.report.trace_phases import FoundBy, KindFrom, PhaseKind, StepRun
from profiler.report.vocabulary import Tier
from profiler.session.looked_at import LookedAt, with_fatal
from profiler.trace import intervals
from profiler.trace.accounting import account, exclusive_ns
from profiler.trace.idle import idle_ns, late_launches
from profiler.trace.integrity import check
from profiler.trace.span_graph import span_graph
from profiler.trace.step_table import StepTable
from profiler.trace.timeline import Ints
from profiler.trace.window import window

Judge = Callable[[int, int], TracedJudgement]  # the judgement of a window between two times

_FOUND = {
    FoundBy.ENGINE: "the engine's annotations",
    FoundBy.ANNOTATION: "annotated ranges",
    FoundBy.KERNEL_PATTERN: "what the device repeats: no range marks them",
}
_KINDS = {
    KindFrom.ANNOTATION: "its annotation says so",
    KindFrom.SHAPES: "by the queries of its attention",
    KindFrom.KERNEL_NAMES: "by the names of its kernels",
    KindFrom.ORDER: "by their order: one step of one sort comes before many of another that attend as often",
}
_WORTH_SAYING = 0.01  # of the span
NOT_TOLD = "whether it is prefill or decode is not known: no annotation, shape or kernel name tells"


def phase_records(part: LookedAt, judged: TracedJudgement, ceilings: TraceCeilings) -> list[PhaseAnalysis]:
    """One record a phase, in the order of their first steps. `judged` is the judgement of all that is looked at."""
    steps = part.steps
    if steps is None or not len(steps):
        return []

    def judge(start_ns: int, end_ns: int) -> TracedJudgement:
        if (start_ns, end_ns) == part.timeline.device.span_ns:
            return judged
        return _judged_window(part, start_ns, end_ns, ceilings)

    device = part.timeline.device
    busy = intervals.merge(intervals.from_columns(device.start_ns, device.end_ns))
    busy_ns = intervals.covered_before(busy, steps.end_ns) - intervals.covered_before(busy, steps.start_ns)
    return [_record(phase, steps, busy_ns, judge) for phase in phases_of(part.timeline, steps)]


def _judged_window(part: LookedAt, start_ns: int, end_ns: int, ceilings: TraceCeilings) -> TracedJudgement:
    seen = window(part.whole, start_ns, end_ns, followed=True)
    told = account(seen.device)
    graph = span_graph(seen, told)
    flaws = with_fatal(part.findings, check(seen), (start_ns, end_ns))
    own, idle = exclusive_ns(seen.device), idle_ns(seen, graph, late_launches(seen))
    return judge_traced(seen, told, own, idle, graph, ceilings, flaws, in_full=False)


def _record(phase: StepPhase, steps: StepTable, busy_ns: Ints, judge: Judge) -> PhaseAnalysis:
    mine = phase.steps
    lasts = steps.end_ns[mine] - steps.start_ns[mine]
    first, last = phase.judged
    start, end = int(steps.start_ns[first]), int(steps.end_ns[last])
    judged = judge(start, end)
    span, busy = int(lasts.sum()), int(busy_ns[mine].sum())
    whole = steps.followed[mine]
    if 2 * whole.sum() < len(mine):
        whole = np.ones(len(mine), np.bool_)  # too few to tell the usual time from
    return PhaseAnalysis(
        name=phase.name,
        kind=phase.kind,
        kind_from=phase.kind_from,
        found_by=phase.found_by,
        count=len(mine),
        steps=_runs(mine + steps.first),
        span_ns=span,
        busy_ns=busy,
        idle_ns=span - busy,
        step_ns=step_time(lasts[whole]),
        judged=StepRun(first=first + steps.first, last=last + steps.first),
        judged_ns=end - start,
        parts=judged.parts,
        shares=judged.shares,
        verdict=judged.verdict,
        doubt=judged.doubt,
        sorts=phase.sorts,
        notes=_notes(phase, steps.first, int((~whole).sum())),
        sources={
            "kind": Source(missing=NOT_TOLD) if phase.kind is PhaseKind.UNKNOWN else Source(tier=Tier.TIMELINE),
        },
    )


def _notes(phase: StepPhase, offset: int, ends_early: int) -> list[str]:
    notes = [f"its steps were found by {_FOUND[phase.found_by]}"]
    notes.append(NOT_TOLD if phase.kind_from is None else f"{phase.kind.value}: {_KINDS[phase.kind_from]}")
    first, last = (step + offset for step in phase.judged)
    if len(phase.steps) > last - first + 1:
        judged = f"step {first}, which took" if first == last else f"steps {first} to {last}, which took"
        notes.append(f"parts, shares and verdict are those of {judged} the usual time")
    if ends_early:
        steps = "the step" if ends_early == 1 else f"the {ends_early} steps"
        notes.append(f"{steps} that no other follows at once ends with its own last activity, and is not in the median")
    return notes


def _runs(steps: Ints) -> list[StepRun]:
    breaks = np.flatnonzero(np.diff(steps) != 1)
    firsts, lasts = np.append(0, breaks + 1), np.append(breaks, len(steps) - 1)
    return [
        StepRun(first=first, last=last)
        for first, last in zip(steps[firsts].tolist(), steps[lasts].tolist(), strict=True)
    ]


def phase_notes(part: LookedAt) -> list[str]:
    """What is to be said of all phases together: that there are none, or what they leave out."""
    steps, (start, end) = part.steps, part.timeline.device.span_ns
    if steps is None:
        return ["no phases were found: no range marks steps, and the device does not repeat itself"]
    if not len(steps):
        return ["no phase is judged: what is looked at holds no whole step"]
    outside = 1 - int((steps.end_ns - steps.start_ns).sum()) / (end - start)
    return [f"{outside:.0%} of the time lies in none of the steps"] if outside >= _WORTH_SAYING else []
