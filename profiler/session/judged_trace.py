"""A recorded trace, judged with the clean times of the same phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from msgspec.structs import replace

from profiler.attribute.body_match import match_body, transfer
from profiler.attribute.kernel_work import KernelWork, kernels_work
from profiler.attribute.known_activities import known_activities
from profiler.attribute.operation_work import TokenShape
from profiler.attribute.phase import Context, Judgement, judge_phase
from profiler.attribute.verdict import trusted, undermined
from profiler.report.evidence import CleanTimes
from profiler.report.records import Clean, Copies, ReportWarning, Streams
from profiler.report.telemetry import Telemetry
from profiler.session.bench import Bench, PhasePlan
from profiler.session.counted_phase import CountedPhase
from profiler.session.cross_checks import doubts, is_throttled, trace_doubts
from profiler.session.needed import rates_of
from profiler.session.paced_trace import PacedTrace
from profiler.trace.cpu import with_cpu_activities
from profiler.trace.graph import build_graph
from profiler.trace.inline_graph import build_inline_graph
from profiler.trace.integrity import Severity, check
from profiler.trace.kineto import read_kineto
from profiler.trace.overlap import host_copies, stream_overlap
from profiler.trace.pace import at_pace
from profiler.trace.steps import cut, representative, steps_of
from profiler.trace.timeline import Timeline


@dataclass(frozen=True, slots=True)
class JudgedTrace:
    """What a trace says of its phase; `refusal` says why it cannot carry a verdict, if it cannot."""

    judgement: Judgement | None
    refusal: str | None
    copies: list[Copies]
    streams: Streams | None
    work: KernelWork | None
    warnings: list[ReportWarning]
    counted: CountedPhase


def judge_trace(
    bench: Bench,
    plan: PhasePlan,
    clean: Clean,
    host_ms: float | None,
    telemetry: Telemetry | None,
    paced: PacedTrace,
    body: bytes | None,
    counted: CountedPhase | None = None,
) -> JudgedTrace:
    """What follows from a recorded trace and the clean times of the same phase."""
    counted = counted or CountedPhase()
    timeline = read_kineto(paced.trace)
    on_gpu = bench.device.properties.kind == "cuda"
    if not on_gpu:
        timeline = with_cpu_activities(timeline)
    findings = check(timeline)
    warnings = [
        ReportWarning(code=finding.code, message=finding.message, phase=plan.phase.name)
        for finding in findings
        if finding.severity is not Severity.NOTE
    ]
    warnings += counted.warnings(plan.phase.name)
    fatal = [finding.message for finding in findings if finding.severity is Severity.FATAL]
    if on_gpu and not len(timeline.device):  # not even launches, as where CUPTI cannot be had: no step is that idle
        fatal.append("it shows nothing of the GPU, which another profiler may hold (`bottleneck doctor`)")
    steps = steps_of(timeline)
    if fatal or not steps:
        reason = fatal[0] if fatal else "the trace holds no step of this phase"
        return JudgedTrace(None, f"the trace cannot carry a verdict: {reason}", [], None, None, warnings, counted)

    chosen = representative(steps, timeline.overhead)
    step = at_pace(cut(timeline, chosen), chosen.start_ns, paced.clean_ratio)
    build = build_graph if on_gpu else build_inline_graph
    graph = build(step, chosen.start_ns, chosen.start_ns + round(paced.clean_ratio * (chosen.end_ns - chosen.start_ns)))
    work = _work(step, body, plan.hint)
    copies = host_copies(step)
    peaks = bench.peaks()
    rates = rates_of(bench, plan, clean.wall_ms.median, work)
    judgement = judge_phase(
        graph,
        known_activities(
            step,
            graph,
            work,
            bench.gemm_flops_per_s(),
            counted.counted,
            bench.device.properties.compute_capability,
        ),
        CleanTimes(clean.wall_ms.median, clean.wall_ms.low, clean.wall_ms.high, host_ms),
        peaks,
        Context(
            phase=plan.phase.name,
            device_kind=bench.device.properties.kind,
            mode=plan.mode,
            offload=plan.offload,
            weight_bytes=plan.needed.weight_bytes if plan.needed else None,
            mfu=rates.mfu,
            pageable_over_pinned=_pageable_over_pinned(copies, bench),
            cudnn_attention_ratio=_cudnn_attention_ratio(step, graph.host_us),
            throttled=is_throttled(telemetry),
        ),
        copies,
    )
    kind = bench.device.properties.kind
    scale = judgement.timeline.kernel_scale * paced.clean_ratio
    doubtful = [*doubts(telemetry, rates, kind), *trace_doubts(scale, kind)]
    whole_ratio = prod(1 - finding.lost_ratio for finding in findings if finding.severity is Severity.WARNING)
    judgement = replace(
        judgement,
        verdict=undermined(trusted(judgement.verdict, whole_ratio), doubtful),
        timeline=replace(judgement.timeline, pace_ratio=paced.clean_ratio),
    )
    return JudgedTrace(judgement, None, copies, stream_overlap(step) if on_gpu else None, work, warnings, counted)


def _work(step: Timeline, body: bytes | None, hint: TokenShape) -> KernelWork:
    """The work of the step's kernels; those of a graph's replay get theirs from its body."""
    own = kernels_work(step, hint)
    if body is None:
        return own
    timeline = read_kineto(body)
    steps = steps_of(timeline)
    if not steps:  # of which nothing could be traced
        return own
    launched = cut(timeline, steps[-1])
    return transfer(own, kernels_work(launched, hint), match_body(step, launched))


def _pageable_over_pinned(copies: Sequence[Copies], bench: Bench) -> float | None:
    """How many times longer the step's pageable copies took than pinned ones in their direction would."""
    longest = max(copies, key=lambda copy: copy.busy_ms, default=None)
    if longest is None or longest.memory != "pageable" or not longest.gb_per_s:
        return None
    pinned_bytes_per_s = bench.ceiling(f"{longest.direction}.pinned")
    if not pinned_bytes_per_s:
        return None
    return max(pinned_bytes_per_s / (longest.gb_per_s * 1e9), 1.0)


def _cudnn_attention_ratio(step: Timeline, host_us: float) -> float:
    """The part of the host's work that is cuDNN's attention, which plans anew for each context length."""
    operations = step.operations
    mine = [step.names[name] == "aten::_scaled_dot_product_cudnn_attention" for name in operations.name.tolist()]
    spent_us = float((operations.end_ns - operations.start_ns)[mine].sum()) / 1e3
    return spent_us / host_us if host_us > 0 else 0.0
