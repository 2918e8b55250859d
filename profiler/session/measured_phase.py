"""One phase through the passes, in an order in which none disturbs another, to its record in the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import replace

from profiler.attribute.body_match import match_body, transfer
from profiler.attribute.kernel_work import Floats, KernelWork, kernels_work
from profiler.attribute.known_activities import known_activities
from profiler.attribute.limiter import Peaks
from profiler.attribute.operation_work import TokenShape
from profiler.attribute.phase import Context, Judgement, judge_phase
from profiler.attribute.rates import NeededWork, Rates, rates
from profiler.attribute.scenarios import CleanTimes
from profiler.attribute.verdict import refuse
from profiler.device.base import Device
from profiler.measure.clean import Clock, Interrupted, measure_clean
from profiler.measure.host_time import measure_host_ms
from profiler.measure.plan import Plan
from profiler.measure.repeat import Sampler, measure_telemetry
from profiler.measure.tracing import record_trace, trace_body
from profiler.progress import Progress
from profiler.report.records import Advice, Ceilings, Clean, Copies, Phase, ReportWarning, Source, Streams, Telemetry
from profiler.report.vocabulary import Tier
from profiler.session.cross_checks import cross_check, energy_per_token, is_throttled
from profiler.trace.cpu import with_cpu_activities
from profiler.trace.graph import build_graph
from profiler.trace.inline_graph import build_inline_graph
from profiler.trace.integrity import Severity, check
from profiler.trace.kineto import read_kineto
from profiler.trace.overlap import host_copies, stream_overlap
from profiler.trace.steps import cut, representative, steps_of
from profiler.trace.timeline import Timeline
from profiler.workload.phase import RunnablePhase, ShortenedPhase

_ENDED = "the run ended before the phase was traced"


@dataclass(frozen=True, slots=True)
class Bench:
    """What every phase of a run is measured with."""

    device: Device
    ceilings: Ceilings
    sampler: Sampler
    clock: Clock
    plan: Plan
    progress: Progress

    def ceiling(self, name: str) -> float | None:
        """A measured ceiling in SI units: bytes/s, FLOP/s; microseconds stay as they are."""
        for ceiling in self.ceilings.ceilings:
            if ceiling.name == name and ceiling.value is not None:
                return ceiling.value * {"GB/s": 1e9, "TFLOP/s": 1e12}.get(ceiling.unit, 1.0)
        return None

    def peaks(self) -> Peaks:
        """What the cost model of kernels asks of the device."""
        properties = self.device.properties
        on_gpu = properties.kind == "cuda"
        return Peaks(
            dram_bytes_per_s=self.ceiling("read"),
            # On a CPU an operation's fixed cost is that of calling it.
            kernel_us=self.ceiling("kernel" if on_gpu else "launch") or 0.0,
            sm_count=properties.sm_count,
            l2_bytes=properties.l2_bytes,
        )

    def gemm_flops_per_s(self) -> dict[str, float | None]:
        """The GEMM ceilings by name."""
        return {c.name: self.ceiling(c.name) for c in self.ceilings.ceilings if c.name.startswith("gemm.")}


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """One phase of the run and what is known of it before it runs."""

    phase: RunnablePhase
    dtype: str
    mode: str
    offload: str
    needed: NeededWork | None
    needed_note: str  # where that is from, or why there is none
    modules: Any = None  # the torch.nn.Module whose forwards get ranges in the trace
    hint: TokenShape = field(default_factory=TokenShape)


@dataclass(frozen=True, slots=True)
class TimedPhase:
    """A phase after the passes that attach nothing."""

    plan: PhasePlan
    clean: Clean
    host_ms: float | None
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class MeasuredPhase:
    """The record, its advice, and the trace as it was recorded."""

    record: Phase
    advice: list[Advice]
    trace: bytes | None


@dataclass(frozen=True, slots=True)
class _Traced:
    judgement: Judgement | None
    refusal: str | None
    copies: list[Copies]
    streams: Streams | None
    work: KernelWork | None
    warnings: list[ReportWarning]


def measure_phase(
    bench: Bench,
    whole: RunnablePhase,
    plan_of: Callable[[RunnablePhase], PhasePlan],
    keep: Callable[[Phase], None] = lambda record: None,
) -> MeasuredPhase:
    """Time one phase, then trace it. Of several phases, time all before any is traced."""
    return trace_phase(bench, time_phase(bench, whole, plan_of, keep))


def time_phase(
    bench: Bench,
    whole: RunnablePhase,
    plan_of: Callable[[RunnablePhase], PhasePlan],
    keep: Callable[[Phase], None] = lambda record: None,
) -> TimedPhase:
    """Run the passes that attach nothing to the process: clean, the host alone, telemetry.

    `plan_of` says what is known of the phase once it is settled which of its iterations are measured. `keep` is told
    the record as far as it is, before each pass that may be interrupted.
    """
    try:
        passed = measure_clean(whole, bench.device, bench.clock, bench.plan, bench.progress)
    except Interrupted as interrupt:
        if interrupt.partial is not None:
            plan = plan_of(ShortenedPhase(whole, interrupt.partial.cycle))
            keep(phase_record(bench, plan, interrupt.partial.clean, None, None, "interrupted while it was timed"))
        raise
    clean, phase = passed.clean, ShortenedPhase(whole, passed.cycle)
    plan = plan_of(phase)
    keep(phase_record(bench, plan, clean, None, None, _ENDED))
    host_ms = measure_host_ms(phase, bench.device, bench.clock, bench.plan)
    telemetry = measure_telemetry(phase, bench.device, bench.sampler, bench.clock, bench.plan, bench.progress)
    keep(phase_record(bench, plan, clean, telemetry, None, _ENDED))
    return TimedPhase(plan, clean, host_ms, telemetry)


def trace_phase(bench: Bench, timed: TimedPhase) -> MeasuredPhase:
    """Trace a timed phase and judge it.

    A process that has traced once is not as before: CUPTI stays loaded, and a captured decode step of an 8B model took
    9% longer for the rest of it (10.3 ms after 9.4 ms on an H100). So nothing is timed after this.
    """
    plan, phase = timed.plan, timed.plan.phase
    bench.progress.stage(f"{phase.name}: tracing")
    trace = record_trace(phase, bench.device, iterations=bench.plan.traced_iterations, modules=plan.modules)
    body = trace_body(phase, phase.body, bench.device, modules=plan.modules) if phase.body is not None else None
    bench.progress.stage(f"{phase.name}: judging")
    traced = judge_trace(bench, plan, timed.clean, timed.host_ms, timed.telemetry, trace, body)
    record = phase_record(bench, plan, timed.clean, timed.telemetry, traced, traced.refusal)
    return MeasuredPhase(record, traced.judgement.advice if traced.judgement else [], trace)


def judge_trace(
    bench: Bench,
    plan: PhasePlan,
    clean: Clean,
    host_ms: float | None,
    telemetry: Telemetry | None,
    trace: bytes,
    body: bytes | None,
) -> _Traced:
    """What follows from a recorded trace and the clean times of the same phase."""
    timeline = read_kineto(trace)
    on_gpu = bench.device.properties.kind == "cuda"
    if not on_gpu:
        timeline = with_cpu_activities(timeline)
    findings = check(timeline)
    warnings = [
        ReportWarning(code=finding.code, message=finding.message, phase=plan.phase.name)
        for finding in findings
        if finding.severity is not Severity.NOTE
    ]
    fatal = [finding.message for finding in findings if finding.severity is Severity.FATAL]
    if on_gpu and not len(timeline.device):  # not even launches, as where CUPTI cannot be had: no step is that idle
        fatal.append("it shows nothing of the GPU, which another profiler may hold (`bottleneck doctor`)")
    steps = steps_of(timeline)
    if fatal or not steps:
        reason = fatal[0] if fatal else "the trace holds no step of this phase"
        return _Traced(None, f"the trace cannot carry a verdict: {reason}", [], None, None, warnings)

    chosen = representative(steps, timeline.overhead)
    step = cut(timeline, chosen)
    build = build_graph if on_gpu else build_inline_graph
    graph = build(step, chosen.start_ns, chosen.end_ns)
    work = _work(step, body, plan.hint)
    copies = host_copies(step)
    peaks = bench.peaks()
    mfu = _rates(bench, plan, clean.wall_ms.median, work).mfu
    judgement = judge_phase(
        graph,
        known_activities(step, graph, work, bench.gemm_flops_per_s()),
        CleanTimes(clean.wall_ms.median, clean.wall_ms.low, clean.wall_ms.high, host_ms),
        peaks,
        Context(
            phase=plan.phase.name,
            device_kind=bench.device.properties.kind,
            mode=plan.mode,
            offload=plan.offload,
            weight_bytes=plan.needed.weight_bytes if plan.needed else None,
            mfu=mfu,
            pageable_over_pinned=_pageable_over_pinned(copies, bench.ceiling("h2d.pinned")),
            cudnn_attention_ratio=_cudnn_attention_ratio(step, graph.host_us),
            throttled=is_throttled(telemetry),
        ),
        copies,
    )
    return _Traced(judgement, None, copies, stream_overlap(step) if on_gpu else None, work, warnings)


def _work(step: Timeline, body: bytes | None, hint: TokenShape) -> KernelWork:
    """The work of the step's kernels; those of a graph's replay get theirs from its body."""
    own = kernels_work(step, hint)
    if body is None:
        return own
    timeline = read_kineto(body)
    launched = cut(timeline, steps_of(timeline)[-1])
    return transfer(own, kernels_work(launched, hint), match_body(step, launched))


def phase_record(
    bench: Bench,
    plan: PhasePlan,
    clean: Clean,
    telemetry: Telemetry | None,
    traced: _Traced | None,
    refusal: str | None,
) -> Phase:
    """The record of a phase as far as it was measured; `refusal` says why there is no verdict, if there is none."""
    shape = plan.phase.shape
    tokens = None if shape is None else shape.batch_size * shape.query_tokens
    wall_ms = clean.wall_ms.median
    work = traced.work if traced else None
    found = _rates(bench, plan, wall_ms, work)
    judgement = traced.judgement if traced else None
    needed = _needed(plan, work)
    joules, joules_source = energy_per_token(telemetry, tokens)
    sources = {
        **found.sources,
        "tokens_per_s": Source(tier=Tier.HOST, note="tokens of the batch over the clean median")
        if tokens
        else Source(missing="the phase does not say how many tokens an iteration makes"),
        "joules_per_token": joules_source,
    }
    for name, amount in (("flops", needed.flops), ("bytes", needed.bytes)):
        sources[name] = (
            Source(tier=Tier.ANALYTIC, note=plan.needed_note)
            if amount is not None
            else Source(missing=plan.needed_note)
        )
    for name, absent in (("tokens", tokens is None), ("context_tokens", shape is None)):
        if absent:
            sources[name] = Source(missing="the phase does not say its size")
    if traced is None or traced.streams is None:
        sources["streams"] = Source(missing=refusal or "a CPU has no streams")
    if judgement is None:
        sources["timeline"] = Source(missing=refusal or "no trace")
    if telemetry is None:
        sources["telemetry"] = Source(missing=refusal or "no telemetry")
    record = Phase(
        name=plan.phase.name,
        tokens=tokens,
        context_tokens=None if shape is None else shape.context_tokens,
        clean=clean,
        tokens_per_s=tokens / wall_ms * 1e3 if tokens and wall_ms > 0 else None,
        ideal_ms=found.ideal_ms,
        mfu=found.mfu,
        mbu=found.mbu,
        flops=needed.flops,
        bytes=needed.bytes,
        weights_gb_per_s=found.weights_gb_per_s,
        kv_cache_gb_per_s=found.kv_cache_gb_per_s,
        joules_per_token=joules,
        parts=judgement.parts if judgement else [],
        shares=judgement.shares if judgement else [],
        kernels=judgement.kernels if judgement else [],
        modules=judgement.modules if judgement else [],
        copies=traced.copies if traced else [],
        streams=traced.streams if traced else None,
        timeline=judgement.timeline if judgement else None,
        telemetry=telemetry,
        verdict=judgement.verdict
        if judgement
        else refuse(refusal or "there is no trace", throttled=is_throttled(telemetry)),
        warnings=[*(traced.warnings if traced else []), *(judgement.warnings if judgement else [])],
        sources=sources,
    )
    return replace(record, warnings=[*record.warnings, *cross_check(record, work, bench.device.properties.l2_bytes)])


def _needed(plan: PhasePlan, work: KernelWork | None) -> NeededWork:
    """FLOPs and bytes of an iteration: of the architecture, else the sum over the traced operations."""
    if plan.needed is not None:
        return plan.needed
    if work is None:
        return NeededWork(None, None, None)
    return NeededWork(_known_sum(work.flops), None, None, _known_sum(work.bytes))


def _known_sum(column: Floats) -> float | None:
    """The sum of what is known, or None where nothing is."""
    known = column[~np.isnan(column)]
    return float(known.sum()) if len(known) else None


def _rates(bench: Bench, plan: PhasePlan, wall_ms: float, work: KernelWork | None) -> Rates:
    return rates(
        _needed(plan, work),
        wall_ms,
        flops_per_s=bench.ceiling(f"gemm.{plan.dtype}"),
        bytes_per_s=bench.ceiling("read"),
        reason=plan.needed_note,
    )


def _pageable_over_pinned(copies: Sequence[Copies], pinned_bytes_per_s: float | None) -> float | None:
    """How many times longer the step's pageable copies took than pinned ones would."""
    longest = max(copies, key=lambda copy: copy.busy_ms, default=None)
    if longest is None or longest.memory != "pageable" or not longest.gb_per_s or not pinned_bytes_per_s:
        return None
    return max(pinned_bytes_per_s / (longest.gb_per_s * 1e9), 1.0)


def _cudnn_attention_ratio(step: Timeline, host_us: float) -> float:
    """The part of the host's work that is cuDNN's attention, which plans anew for each context length."""
    operations = step.operations
    mine = [step.names[name] == "aten::_scaled_dot_product_cudnn_attention" for name in operations.name.tolist()]
    spent_us = float((operations.end_ns - operations.start_ns)[mine].sum()) / 1e3
    return spent_us / host_us if host_us > 0 else 0.0
