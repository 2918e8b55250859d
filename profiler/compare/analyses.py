"""What changed from one analysed trace, or job of several ranks, to another.

Times are always those of whole spans. Where both traces hold steps of one phase and little else, what changed most is
told by the time over the number of steps: two traces of one loop rarely hold as many of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from profiler.compare.kernel_times import KernelTime
from profiler.compare.matching import matched
from profiler.report.analysis import Family, PartName, RankAnalysis
from profiler.report.analysis_comparison import (
    AnalysisComparison,
    Basis,
    FamilyChange,
    OperationChange,
    PartChange,
    Side,
    StepChange,
)
from profiler.report.source import Source
from profiler.report.trace_phases import PhaseKind
from profiler.report.vocabulary import VerdictState

# From one run of the same work to the next the number of kernels hardly changes: by more than this, it is other work.
_MANY_MORE = 1.2
# Of the span outside its steps: what lies between two of them belongs to a step, other work does not.
_MOST_BESIDE = 0.5

_Change = PartChange | FamilyChange | OperationChange


def compare_analyses(
    before: Sequence[RankAnalysis],
    after: Sequence[RankAnalysis],
    before_kernels: Sequence[KernelTime],
    after_kernels: Sequence[KernelTime],
    tool_version: str = "",
) -> AnalysisComparison:
    """The change from `before`, the baseline, to `after`. The kernels are those of all ranks of a side."""
    old, new = _side(before), _side(after)
    steps = _steps(before, after)
    basis = Basis.STEP if old.steps and new.steps and _kinds(before, after) else Basis.SPAN
    old_steps, new_steps = (old.steps or 1, new.steps or 1) if basis is Basis.STEP else (1, 1)

    def effect(change: _Change) -> float:
        return -abs(change.after_ns / new_steps - change.before_ns / old_steps)

    return AnalysisComparison(
        tool_version=tool_version,
        basis=basis,
        before=old,
        after=new,
        change_ns=new.span_ns - old.span_ns,
        parts=sorted(_parts(before, after), key=effect),
        families=sorted(_families(before, after), key=effect),
        operations=sorted(matched(before_kernels, after_kernels), key=lambda change: (effect(change), change.name)),
        steps=steps,
        notes=[*_unlike(old, new, old_steps, new_steps), *_refused(before), *_refused(after)],
    )


def _side(ranks: Sequence[RankAnalysis]) -> Side:
    steps = _step_count(ranks)
    held_back_by = [rank.verdict.class_ for rank in ranks if rank.verdict.class_ is not None]
    return Side(
        ranks=[rank.name for rank in ranks],
        devices=sorted({rank.device for rank in ranks if rank.device is not None}),
        held_back_by=list(dict.fromkeys(held_back_by)),
        clear=sum(rank.verdict.state is VerdictState.CLEAR for rank in ranks),
        span_ns=sum(rank.span_ns for rank in ranks),
        busy_ns=sum(rank.busy_ns for rank in ranks),
        idle_ns=sum(rank.idle_ns for rank in ranks),
        kernel_ns=sum(rank.kernel_ns for rank in ranks),
        kernels=sum(stream.kernels for rank in ranks for stream in rank.streams),
        steps=steps if isinstance(steps, int) else None,
        sources={} if isinstance(steps, int) else {"steps": Source(missing=steps)},
    )


def _step_count(ranks: Sequence[RankAnalysis]) -> int | str:
    """The steps that a single rank consists of, or why there is no such number."""
    if len(ranks) != 1:
        return "steps of several ranks are not counted"
    if len(ranks[0].phases) != 1:
        return "the trace holds several phases" if ranks[0].phases else "no steps were found"
    (phase,) = ranks[0].phases
    if abs(phase.span_ns - ranks[0].span_ns) > _MOST_BESIDE * ranks[0].span_ns:
        return "the trace holds more than its steps"
    return phase.count


def _kinds(before: Sequence[RankAnalysis], after: Sequence[RankAnalysis]) -> bool:
    """Whether nothing tells that the phases of the two are of different kinds."""
    kinds = {phase.kind for rank in (*before, *after) for phase in rank.phases}
    return len(kinds - {PhaseKind.UNKNOWN}) <= 1


def _parts(before: Sequence[RankAnalysis], after: Sequence[RankAnalysis]) -> list[PartChange]:
    old, new = (
        {name: sum(part.ns for rank in ranks for part in rank.parts if part.part is name) for name in PartName}
        for ranks in (before, after)
    )
    return [
        PartChange(
            part=name,
            class_=name.bottleneck_class,
            before_ns=old[name],
            after_ns=new[name],
            change_ns=new[name] - old[name],
        )
        for name in PartName
        if old[name] or new[name]
    ]


def _families(before: Sequence[RankAnalysis], after: Sequence[RankAnalysis]) -> list[FamilyChange]:
    old, new = (
        {name: [each for rank in ranks for each in rank.families if each.family is name] for name in Family}
        for ranks in (before, after)
    )
    return [
        FamilyChange(
            family=name,
            before_kernels=sum(each.kernels for each in old[name]),
            after_kernels=sum(each.kernels for each in new[name]),
            before_ns=sum(each.ns for each in old[name]),
            after_ns=sum(each.ns for each in new[name]),
            change_ns=sum(each.ns for each in new[name]) - sum(each.ns for each in old[name]),
        )
        for name in Family
        if old[name] or new[name]
    ]


def _steps(before: Sequence[RankAnalysis], after: Sequence[RankAnalysis]) -> list[StepChange]:
    """The phases of one name, where each side is a single rank: steps of several ranks are no samples of one.

    A single phase is the same as another single one, whatever they are called, if nothing tells that it is not.
    """
    if len(before) != 1 or len(after) != 1:
        return []
    old, new = ({phase.name: phase for phase in rank.phases} for rank in (before[0], after[0]))
    if len(old) == len(new) == 1 and _kinds(before, after):
        new = dict(zip(old, new.values(), strict=True))
    return [
        StepChange(
            phase=name,
            before_steps=old[name].count,
            after_steps=new[name].count,
            before_ns=old[name].step_ns.median_ns,
            after_ns=new[name].step_ns.median_ns,
            change_ns=new[name].step_ns.median_ns - old[name].step_ns.median_ns,
        )
        for name in old
        if name in new
    ]


def _unlike(old: Side, new: Side, old_steps: int, new_steps: int) -> list[str]:
    """What makes the two hard to compare; nothing is refused for it."""
    notes = []
    if old.devices != new.devices:
        devices = [", ".join(side.devices) or "one that its trace does not name" for side in (old, new)]
        notes.append(f"the devices differ: the baseline ran on {devices[0]}, this on {devices[1]}")
    if len(old.ranks) != len(new.ranks):
        notes.append(f"times are sums over ranks: {len(old.ranks)} of the baseline, {len(new.ranks)} of this")
    each = [side.kernels / steps for side, steps in ((old, old_steps), (new, new_steps))]
    if max(each) > _MANY_MORE * min(each):
        per_step = " a step" if (old_steps, new_steps) != (1, 1) else ""
        more = "" if per_step else ", or not as many steps of it"
        notes.append(
            f"the baseline ran {each[0]:,.0f} kernels{per_step}, this {each[1]:,.0f}: they may not do the same work"
            + more
        )
    return notes


def _refused(ranks: Sequence[RankAnalysis]) -> list[str]:
    return [
        f"there is no verdict of {rank.name}: {rank.verdict.evidence[0]}"
        for rank in ranks
        if rank.verdict.state is VerdictState.REFUSED and rank.verdict.evidence
    ]
