"""One phase through the passes, in an order in which none disturbs another, to its record in the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profiler.measure.clean import Interrupted, measure_clean
from profiler.measure.host_time import measure_host_ms
from profiler.measure.quiet import garbage_collector_off
from profiler.measure.repeat import measure_telemetry
from profiler.measure.tracing import record_trace, trace_body
from profiler.report.records import Advice, Clean, Phase
from profiler.report.telemetry import Telemetry
from profiler.session.bench import Bench, PhasePlan
from profiler.session.counted_phase import count_phase
from profiler.session.judged_trace import judge_trace
from profiler.session.paced_trace import PacedTrace, middle_trace
from profiler.session.phase_record import phase_record
from profiler.workload.phase import RunnablePhase, ShortenedPhase

# Torch takes most of a second to start its tracer, and a CPU that computed nothing meanwhile needs a while: of the
# first decode steps of `tiny` after that 4.9 and 4.0 ms were operations, from the eighth on 2.7 (ADR 3).
_CPU_WARMUP_SECONDS = 0.1
# What other processes do to a CPU's caches changes within a second, of which a trace sees 20 ms: the operations of a
# step of `tiny` took 2.9, 2.9, 3.2, 3.3 and 3.6 ms in five traces of one process. Of 7 the middle one is within 2%.
_CPU_TRACES = 7
_ENDED = "the run ended before the phase was traced"


@dataclass(frozen=True, slots=True)
class TimedPhase:
    """A phase after the passes that attach nothing."""

    plan: PhasePlan
    clean: Clean
    host_ms: float | None
    telemetry: Telemetry | None  # None where the phase was only timed


@dataclass(frozen=True, slots=True)
class MeasuredPhase:
    """The record, its advice, and the trace as it was recorded."""

    record: Phase
    advice: list[Advice]
    trace: bytes | None


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
    pace = bench.pace()
    try:
        passed = measure_clean(whole, bench.device, bench.clock, bench.plan, bench.progress, pace)
    except Interrupted as interrupt:
        if interrupt.partial is not None:
            plan = plan_of(ShortenedPhase(whole, interrupt.partial.cycle))
            keep(phase_record(bench, plan, interrupt.partial.clean, None, None, "interrupted while it was timed"))
        raise
    phase = ShortenedPhase(whole, passed.cycle)
    plan = plan_of(phase)
    keep(phase_record(bench, plan, passed.clean, None, None, _ENDED))
    slowdown = passed.host_slowdown
    host_ms = measure_host_ms(phase, bench.device, bench.clock, bench.plan, pace if slowdown is not None else None)
    clean = passed.beside_full_speed(host_ms)
    if host_ms is not None and slowdown is not None:
        host_ms *= slowdown  # as slow as it was when the iterations were timed
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
    paced = _traced(bench, phase, plan, timed.clean.wall_ms.median)
    body = trace_body(phase, phase.body, bench.device, modules=plan.modules) if phase.body is not None else None
    counted = count_phase(bench, phase)
    bench.progress.stage(f"{phase.name}: judging")
    traced = judge_trace(bench, plan, timed.clean, timed.host_ms, timed.telemetry, paced, body, counted)
    record = phase_record(bench, plan, timed.clean, timed.telemetry, traced, traced.refusal)
    return MeasuredPhase(record, traced.judgement.advice if traced.judgement else [], paced.trace)


def _traced(bench: Bench, phase: RunnablePhase, plan: PhasePlan, clean_ms: float) -> PacedTrace:
    """A trace of the phase; of a CPU the middle one of several, each at the pace of its moment."""
    on_cpu = bench.device.properties.kind == "cpu"

    def trace() -> PacedTrace:
        recorded = record_trace(
            phase,
            bench.device,
            iterations=bench.plan.traced_iterations,
            modules=plan.modules,
            warmup_seconds=_CPU_WARMUP_SECONDS if on_cpu else 0.0,
            clock=bench.clock,
        )
        return PacedTrace(recorded.trace, clean_ms / recorded.untraced_ms if recorded.untraced_ms else 1.0)

    if not on_cpu:
        return trace()
    with garbage_collector_off():
        return middle_trace([trace() for _ in range(_CPU_TRACES)])
