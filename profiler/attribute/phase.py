"""One phase, judged: from a traced step, what is known of its activities, and the clean time, to a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from profiler.attribute.activities import ActivityFacts, Limited
from profiler.attribute.advice import Setting, advise
from profiler.attribute.calibration import Calibrated
from profiler.attribute.curve import curves_of
from profiler.attribute.evidence import Observed, sentences
from profiler.attribute.kernel_table import KernelRow, kernel_table, module_costs
from profiler.attribute.parts import exclusive_us, split
from profiler.attribute.replay import Replayed
from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.shares import Scenario, class_shares, share_records, share_table
from profiler.attribute.step_evidence import StepEvidence
from profiler.attribute.timeline_record import timeline_record
from profiler.attribute.verdict import judge
from profiler.numerals import three_digits
from profiler.report.evidence import CleanTimes, Peaks
from profiler.report.records import Advice, Copies, Kernel, ModuleCost, Part, ReportWarning, Share, Verdict
from profiler.report.speed_curve import Curve
from profiler.report.timeline import Timeline
from profiler.report.vocabulary import Cause, VerdictState
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity

# A step whose unknown kernels take more of its time than this is judged with a warning.
_UNKNOWN_WARNING = 0.10
# The promise that the parts sum to the clean time.
_MOST_REST = 0.01


class KnownActivity(Struct, frozen=True):
    """One device row of the step: what the cost model needs of it, and what people want to read of it."""

    facts: ActivityFacts
    name: str
    operation: str | None
    module: str | None


class Context(Struct, frozen=True):
    """What the sentences and the advice need beside the step."""

    phase: str
    device_kind: str
    mode: str
    offload: str
    weight_bytes: float | None
    mfu: float | None
    pageable_over_pinned: float | None
    cudnn_attention_ratio: float = 0.0
    throttled: bool = False


class Judgement(Struct, frozen=True):
    """Everything that follows from one step."""

    parts: list[Part]
    shares: list[Share]
    kernels: list[Kernel]
    modules: list[ModuleCost]
    timeline: Timeline
    verdict: Verdict
    advice: list[Advice]
    warnings: list[ReportWarning]
    curves: list[Curve]


class Footing(Struct, frozen=True):
    """What a verdict rests on beside its shares: how much of the time is known, agrees, and adds up.

    `unknown_ratio` is the part of the step in kernels whose bytes nobody knows, `rest_ms` what the parts leave of the
    clean time, `is_whole` whether that is as little as is promised.
    """

    unknown_ratio: float
    agreement: float
    rest_ms: float
    is_whole: bool

    @property
    def trust(self) -> float:
        """What bounds a verdict's confidence, 0 to 1."""
        return (1 - self.unknown_ratio) * self.agreement


def footing_of(
    evidence: StepEvidence, best: Scenario, limited: Limited, replayed: Replayed, device_kind: str
) -> Footing:
    """The footing of a step whose best reading `best` was `replayed`."""
    own = exclusive_us(replayed, evidence.graph.activity)
    unknown_us = sum(float(us) for us, known in zip(own, limited.known, strict=True) if not known)
    wall_ms = evidence.clean.wall_ms
    rest_ms = wall_ms - replayed.period_us / 1e3
    return Footing(
        unknown_ratio=unknown_us / replayed.period_us if replayed.period_us > 0 else 0.0,
        # On a CPU, tracing slows the operations too: that both had to be scaled says nothing against the trace.
        agreement=best.calibrated.agreement if device_kind == "cuda" else 1.0,
        rest_ms=rest_ms,
        is_whole=abs(rest_ms) <= _MOST_REST * wall_ms,
    )


def judge_phase(
    graph: DependencyGraph,
    activities: Sequence[KnownActivity],
    clean: CleanTimes,
    peaks: Peaks,
    context: Context,
    copies: Sequence[Copies] = (),
) -> Judgement:
    """The judgement of one step. `activities` are the device rows of `graph`, in its order.

    The first scenario is the best reading of the evidence; the others bound what it leaves open.
    """
    evidence = StepEvidence(graph, [known.facts for known in activities], clean, peaks)
    scenarios, limited = scenarios_of(evidence)
    best = scenarios[0]
    replayed = best.run()
    half_width = (clean.high_ms - clean.low_ms) / 2 if clean.low_ms is not None and clean.high_ms is not None else None
    parts = split(graph, replayed, limited.causes, limited.tiers, uncertainty_ms=half_width)
    table = share_table(scenarios)
    shares = share_records(table)
    by_class = class_shares(table)

    own = exclusive_us(replayed, graph.activity)
    rows = [
        KernelRow(
            name=known.name,
            us=float(microseconds),
            bytes=known.facts.kernel.bytes,
            flops=known.facts.kernel.flops,
            uses_matrix_units=known.facts.kernel.uses_matrix_units,
            tensor_flops_per_s=known.facts.kernel.tensor_flops_per_s,
            limiter=limiter,
            cause=cause,
            operation=known.operation,
            module=known.module,
            counted_bytes=known.facts.kernel.counted_bytes,
        )
        for known, microseconds, limiter, cause in zip(activities, own, limited.limiters, limited.causes, strict=True)
    ]
    footing = footing_of(evidence, best, limited, replayed, context.device_kind)
    kernels = sum(known.facts.activity is Activity.KERNEL for known in activities)
    observed = Observed(
        device_kind=context.device_kind,
        launches=sum(kind == "launch" for kind in graph.kind),
        kernels=kernels,
        small_kernels=sum(cause is Cause.SCHEDULING_SMALL_KERNELS for cause in limited.causes),
        weight_bytes=context.weight_bytes,
        weights_ideal_ms=context.weight_bytes / peaks.dram_bytes_per_s * 1e3
        if context.weight_bytes and peaks.dram_bytes_per_s
        else None,
        wall_ms=clean.wall_ms,
        mfu=context.mfu,
        unknown_ratio=footing.unknown_ratio,
    )
    leader = max(by_class[0], key=lambda klass: by_class[0][klass])
    verdict = judge(
        by_class,
        shares,
        parts,
        evidence=sentences(leader, parts, copies, observed),
        trust=footing.trust,
        whole=footing.is_whole,
        throttled=context.throttled,
    )
    setting = Setting(
        phase=context.phase,
        mode=context.mode,
        offload=context.offload,
        device_kind=context.device_kind,
        copies_pageable=any(copy.memory == "pageable" for copy in copies),
        pageable_over_pinned=context.pageable_over_pinned,
        cudnn_attention_ratio=context.cudnn_attention_ratio,
        causes=limited.causes,
    )
    return Judgement(
        parts=parts,
        shares=shares,
        kernels=kernel_table(
            [row for row, known in zip(rows, activities, strict=True) if known.facts.activity is Activity.KERNEL],
            replayed.period_us,
            peaks.dram_bytes_per_s,
        ),
        modules=module_costs(rows, replayed.period_us),
        timeline=timeline_record(best, evidence, [known.name for known in activities], limited.causes),
        verdict=verdict,
        advice=advise(scenarios, parts, setting),
        warnings=_warnings(best.calibrated, clean, footing, context.phase, context.device_kind),
        curves=[] if verdict.state is VerdictState.REFUSED else curves_of(scenarios, clean.wall_ms),
    )


def _warnings(
    calibrated: Calibrated, clean: CleanTimes, footing: Footing, phase: str, device_kind: str
) -> list[ReportWarning]:
    found: list[ReportWarning] = []

    def warn(code: str, message: str) -> None:
        found.append(ReportWarning(code=code, message=message, phase=phase))

    if calibrated.host_off_ratio is not None:
        warn(
            "host_disagrees",
            f"to fit the clean time of {three_digits(clean.wall_ms)} ms the host had to take "
            f"{calibrated.host_off_ratio:.2g} times as long as it did when timed alone, more than two runs differ: "
            "what is laid to the host is in doubt",
        )
    elif not calibrated.plausible and device_kind == "cuda":
        warn(
            "trace_disagrees",
            f"traced kernels had to be scaled by {calibrated.calibration.kernel_scale:.2f} to fit the clean time of "
            f"{three_digits(clean.wall_ms)} ms: the traced and the clean runs were not alike",
        )
    if not footing.is_whole:
        warn(
            "parts_do_not_sum",
            f"the parts leave {footing.rest_ms:+.3g} ms of {three_digits(clean.wall_ms)} ms unexplained",
        )
    if footing.unknown_ratio > _UNKNOWN_WARNING:
        warn("unknown_kernels", f"{footing.unknown_ratio:.0%} of the time is in kernels whose bytes nobody knows")
    return found
