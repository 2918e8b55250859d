"""What is compared of an analysis: the steps of its phases, and its span."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from profiler.compare.result_times import ComparedResult, OneTime, PartOfTime, Work
from profiler.measure.statistics import CONFIDENCE, HOST_RUN_TO_RUN
from profiler.report.analysis import Analysis, FamilyTime, PhaseAnalysis, RankAnalysis, TracePart
from profiler.report.comparison import Side
from profiler.report.part_name import PartName
from profiler.report.vocabulary import VerdictState

SPAN = "span"
_NS_PER_MS = 1e6
_NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_ON_HOST = {
    PartName.IDLE_HOST,
    PartName.IDLE_SYNC,
    PartName.IDLE_INPUT,
    PartName.IDLE_STAGING,
    PartName.IDLE_NOTHING_ASKED,
}


def traced_times(analysis: Analysis) -> ComparedResult:
    """Its times. A job of several ranks has a span alone, the sum of theirs: steps of two ranks are no two samples."""
    ranks = analysis.ranks
    alone = ranks[0] if len(ranks) == 1 else None
    devices = sorted({rank.device for rank in ranks if rank.device is not None})
    return ComparedResult(
        kind=analysis.kind,
        created_at=None,
        held_back_by=alone.verdict.clear_class if alone else None,
        fixed={"device": ", ".join(devices) or "not named by the trace", "ranks": str(len(ranks))},
        noted={"bottleneck": analysis.tool_version},
        times=[*([_phase(phase) for phase in alone.phases] if alone else []), _span(ranks)],
        notes=[*([] if analysis.complete else ["was interrupted"]), *_notes(ranks)],
    )


def _phase(phase: PhaseAnalysis) -> OneTime:
    """The mean of the steps that were judged: its parts are theirs."""
    steps = max(phase.judged.last - phase.judged.first + 1, 1)
    median = phase.step_ns.median_ns
    reach = None
    if median and phase.step_ns.steps > 1:
        within = max(phase.step_ns.high_ns - median, median - phase.step_ns.low_ns) / median
        reach = math.sqrt(2) * math.hypot(within, _NORMAL * HOST_RUN_TO_RUN)
    return OneTime(
        name=phase.name,
        clock="judged_ns",
        ms=phase.judged_ns / steps / _NS_PER_MS,
        reach=reach,
        repeats=phase.step_ns.steps,
        parts=_parts([phase.parts], steps),
    )


def _span(ranks: Sequence[RankAnalysis]) -> OneTime:
    return OneTime(
        name=SPAN,
        clock="span_ns",
        ms=sum(rank.span_ns for rank in ranks) / _NS_PER_MS,
        reach=None,
        repeats=1,
        parts=_parts([rank.parts for rank in ranks], 1),
        work=_families([rank.families for rank in ranks]),
    )


def _parts(ranks: Sequence[Sequence[TracePart]], steps: int) -> list[PartOfTime]:
    total = {part.part: 0 for parts in ranks for part in parts}
    for part in (part for parts in ranks for part in parts):
        total[part.part] += part.ns
    return [
        PartOfTime(
            name.value, name.bottleneck_class, Side.HOST if name in _ON_HOST else Side.DEVICE, ns / steps / _NS_PER_MS
        )
        for name, ns in total.items()
    ]


def _families(ranks: Sequence[Sequence[FamilyTime]]) -> list[Work]:
    total: dict[str, tuple[int, int]] = {}
    for each in (each for families in ranks for each in families):
        kernels, ns = total.get(each.family.value, (0, 0))
        total[each.family.value] = (kernels + each.kernels, ns + each.ns)
    return [Work(name, None, kernels, ns / _NS_PER_MS) for name, (kernels, ns) in total.items()]


def _notes(ranks: Sequence[RankAnalysis]) -> list[str]:
    return [
        f"{rank.name} has no verdict: {rank.verdict.evidence[0]}"
        for rank in ranks
        if rank.verdict.state is VerdictState.REFUSED and rank.verdict.evidence
    ]
