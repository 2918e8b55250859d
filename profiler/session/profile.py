"""`profile`: from a model's name to a report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from profiler.attribute.operation_work import TokenShape
from profiler.attribute.rates import NeededWork
from profiler.attribute.verdict import judge_request, refuse
from profiler.catalogue.architecture import Architecture
from profiler.catalogue.work import phase_work
from profiler.device.base import Device
from profiler.device.cache import load_or_measure
from profiler.device.driver import Driver, DriverUnavailable, QueryRefused
from profiler.device.gpu import Gpu
from profiler.device.select import open_driver, select_device
from profiler.errors import InterruptedByUser
from profiler.measure.clean import Interrupted, measure_clean
from profiler.measure.plan import Plan
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import SamplerConfig
from profiler.progress import Progress, SilentProgress
from profiler.report.records import (
    Advice,
    Capacity,
    Ceilings,
    Environment,
    Growth,
    Phase,
    Report,
    ReportWarning,
    Verdict,
    Workload,
)
from profiler.report.store import write_atomically
from profiler.session.capacity import capacity_of
from profiler.session.environment import describe
from profiler.session.load_phase import load_phase
from profiler.session.measured_phase import Bench, PhasePlan, measure_phase
from profiler.session.request import ProfileRequest
from profiler.session.trace_file import trace_file
from profiler.workload.build import load
from profiler.workload.engines import Phases
from profiler.workload.fit import DTYPE_BYTES, translating_torch_errors
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import RunnablePhase, ShortenedPhase
from profiler.workload.source import resolve
from profiler.workload.spec import WorkloadSpec

PLANS: dict[str, Callable[[], Plan]] = {"quick": Plan.quick, "standard": Plan.standard, "thorough": Plan.thorough}
_NOT_YET = Ceilings(device="", measured_at=None, from_cache=False, ceilings=[])


@dataclass(slots=True)
class _Progress:
    """What of the report there is so far: Ctrl-C hands this over."""

    environment: Environment
    ceilings: Ceilings = _NOT_YET
    workload: Workload | None = None
    capacity: Capacity | None = None
    phases: dict[str, Phase] = field(default_factory=dict)
    advice: list[Advice] = field(default_factory=list)
    warnings: list[ReportWarning] = field(default_factory=list)
    traces: dict[str, bytes] = field(default_factory=dict)

    def report(self, new_tokens: int, now: datetime, *, complete: bool) -> Report:
        """The report as far as it goes."""
        phases = list(self.phases.values())
        return Report(
            kind="profile",
            complete=complete,
            created_at=now.isoformat(timespec="seconds"),
            environment=self.environment,
            workload=self.workload,
            ceilings=self.ceilings,
            phases=phases,
            verdict=request_verdict(phases, new_tokens),
            capacity=self.capacity,
            advice=sorted(self.advice, key=lambda advice: -(advice.speedup or 0.0)),
            warnings=self.warnings,
        )


def profile(model: str, *, progress: Progress | None = None, **options: Any) -> Report:
    """Profile a model as `bottleneck profile MODEL` does; `options` are the fields of `ProfileRequest`.

    Raises the errors of `profiler.errors`; on Ctrl-C `InterruptedByUser`, whose `partial` is the report so far.
    """
    return profile_model(ProfileRequest(model=model, **options), progress=progress or SilentProgress())


def profile_model(request: ProfileRequest, *, progress: Progress) -> Report:
    """Measure and judge what was asked for."""
    plan = PLANS[request.effort]()
    spec = WorkloadSpec(
        model=request.model,
        weights=request.weights,
        dtype=request.dtype,
        batch_size=request.batch_size,
        prompt_tokens=request.prompt_tokens,
        new_tokens=request.new_tokens,
        mode=request.mode,
        attention=request.attention,
        offload=request.offload,
        seed=request.seed,
        trust_remote_code=request.trust_remote_code,
    )
    source = resolve(request.model)
    progress.stage("starting")
    driver = open_driver()
    device = select_device(request.device, driver=driver)
    spec.check_device(device.properties.kind)
    gpu, gpu_reason = gpu_of(device, driver)
    environment, warnings = describe(device, gpu, gpu_reason)
    so_far = _Progress(environment, warnings=warnings)
    with ExitStack() as stack:
        sampler = stack.enter_context(SamplerProcess(sampler_config(device)))
        try:
            so_far.ceilings = load_or_measure(device, now=now, gpu=gpu, progress=progress, warn=warnings.append)
            bench = Bench(device, so_far.ceilings, sampler, time.monotonic_ns, plan, progress)
            with translating_torch_errors():
                loaded = load(spec, source, device, progress, time.monotonic_ns)
                so_far.workload = _workload(spec, loaded, request.command)
                _run(bench, spec, loaded, so_far)
        except KeyboardInterrupt as interrupt:
            _keep_clean(interrupt, so_far)
            report = so_far.report(request.new_tokens, now(), complete=False)
            raise InterruptedByUser(partial=report) from interrupt
    if request.trace_out is not None:
        write_atomically(request.trace_out, trace_file(so_far.traces, plain=request.trace_out.suffix != ".gz"))
    return so_far.report(request.new_tokens, now(), complete=True)


def _run(bench: Bench, spec: WorkloadSpec, loaded: LoadedModel, so_far: _Progress) -> None:
    if loaded.legs:
        so_far.phases["load"] = load_phase(loaded.legs)
    so_far.capacity = capacity_of(spec, loaded, bench.device)
    phases = Phases(loaded, spec, bench.device)
    for phase in (phases.prefill, phases.decode):
        measured = measure_phase(
            bench, phase, partial(_plan, spec=spec, loaded=loaded), lambda record: _keep(record, so_far)
        )
        _keep(measured.record, so_far)
        so_far.advice += measured.advice
        if measured.trace is not None:
            so_far.traces[phase.name] = measured.trace
    decode = so_far.phases.get("decode")
    if decode is not None:
        _keep(_with_growth(bench, spec, phases, decode), so_far)


def _keep(record: Phase, so_far: _Progress) -> None:
    so_far.phases[record.name] = record


def _keep_clean(interrupt: KeyboardInterrupt, so_far: _Progress) -> None:
    """Ctrl-C in a clean pass carries what the pass had measured; in any other place it is kept already."""
    if isinstance(interrupt, Interrupted) and interrupt.partial is not None:
        so_far.warnings.append(
            ReportWarning(
                code="interrupted",
                message=f"interrupted after {len(interrupt.partial.clean.wall_ms.samples)} timed iterations of a phase",
            )
        )


def _plan(phase: RunnablePhase, spec: WorkloadSpec, loaded: LoadedModel) -> PhasePlan:
    needed, note = needed_work(phase, loaded)
    shape, architecture = phase.shape, loaded.architecture
    hint = TokenShape()
    if shape is not None and architecture is not None:
        hint = TokenShape(
            batch_size=shape.batch_size,
            query_tokens=shape.query_tokens,
            context_tokens=max(shape.cache_tokens, shape.context_tokens + shape.query_tokens),
            kv_heads=architecture.kv_heads,
            head_size=architecture.head_size,
            element_bytes=DTYPE_BYTES.get(loaded.dtype),
        )
    return PhasePlan(
        phase=phase,
        dtype=loaded.dtype,
        mode=spec.mode,
        offload=spec.offload,
        needed=needed,
        needed_note=note,
        # A compiled module must not be hooked: the hooks would be compiled in, or break its graph.
        modules=loaded.model if spec.mode != "compile" and hasattr(loaded.model, "named_modules") else None,
        hint=hint,
    )


def needed_work(phase: RunnablePhase, loaded: LoadedModel) -> tuple[NeededWork | None, str]:
    """What an iteration needs by the model's shapes, and where that is from or why there is none."""
    shape, architecture = phase.shape, loaded.architecture
    if shape is None or architecture is None:
        return None, "summed over the traced operations, as the architecture is not known"
    size = DTYPE_BYTES[loaded.dtype]
    work = phase_work(
        architecture,
        batch_size=shape.batch_size,
        query_tokens=shape.query_tokens,
        context_tokens=shape.context_tokens,
        cache_tokens=shape.cache_tokens,
        weight_dtype_bytes=size,
        kv_dtype_bytes=size,
    )
    note = "weights and KV cache of the architecture, each read once an iteration"
    return NeededWork(work.flops, work.weight_bytes, work.kv_bytes), note


def _with_growth(bench: Bench, spec: WorkloadSpec, phases: Phases, decode: Phase) -> Phase:
    """The decode with how it grows with context: a second context length, four times the first or half of it."""
    from msgspec.structs import replace as with_fields

    longer = phases.decode_at(4 * spec.prompt_tokens) or phases.decode_at(max(spec.prompt_tokens // 2, 1))
    context = decode.context_tokens
    if longer is None or longer.shape is None or context is None:
        return with_fields(
            decode,
            growth=Growth(
                ms_per_1000_tokens=None,
                context_tokens=[],
                wall_ms=[],
                missing="the model has no second context length to measure",
            ),
        )
    quick = replace(Plan.quick(), repeats=bench.plan.repeats)
    passed = measure_clean(longer, bench.device, bench.clock, quick, bench.progress)
    other, shape = passed.clean.wall_ms, ShortenedPhase(longer, passed.cycle).shape
    here, there = decode.clean.wall_ms, shape.context_tokens if shape else context
    thousands = (there - context) / 1000
    growth = Growth(
        ms_per_1000_tokens=(other.median - here.median) / thousands,
        context_tokens=[context, there],
        wall_ms=[here.median, other.median],
        low=_slope(other.low, here.high, thousands) if thousands > 0 else _slope(other.high, here.low, thousands),
        high=_slope(other.high, here.low, thousands) if thousands > 0 else _slope(other.low, here.high, thousands),
    )
    return with_fields(decode, growth=growth)


def _slope(there_ms: float | None, here_ms: float | None, thousands: float) -> float | None:
    return None if there_ms is None or here_ms is None else (there_ms - here_ms) / thousands


def request_verdict(phases: Sequence[Phase], new_tokens: int) -> Verdict:
    """The verdict of a request: the prefill once, a decode step for each further token. Loading happens before it."""
    weight = {"prefill": 1, "decode": new_tokens - 1}
    weighed = [
        (phase.name, weight[phase.name] * phase.clean.wall_ms.median, phase.verdict, phase.shares)
        for phase in phases
        if phase.name in weight
    ]
    return judge_request(weighed) if weighed else refuse("no phase of the request was measured")


def _workload(spec: WorkloadSpec, loaded: LoadedModel, command: str | None) -> Workload:
    architecture: Architecture | None = loaded.architecture
    size = DTYPE_BYTES.get(loaded.dtype)
    return Workload(
        model=spec.model,
        source=loaded.source,
        architecture=architecture.model_type if architecture else None,
        parameters=loaded.parameters,
        active_parameters=architecture.active_parameters if architecture else None,
        weight_bytes=loaded.weight_bytes,
        kv_bytes_per_token=int(architecture.kv_bytes_per_token(size)) if architecture and size else None,
        weights=loaded.weights,
        dtype=loaded.dtype,
        mode=spec.mode,
        attention=loaded.attention,
        offload=spec.offload,
        batch_size=spec.batch_size,
        prompt_tokens=spec.prompt_tokens,
        new_tokens=spec.new_tokens,
        seed=spec.seed,
        trust_remote_code=loaded.remote_code_used,
        command=command,
    )


def gpu_of(device: Device, driver: Driver | DriverUnavailable) -> tuple[Gpu | None, str | None]:
    """The GPU as the driver knows it, or why it cannot be asked; neither for a CPU."""
    if device.properties.kind != "cuda":
        return None, None
    if isinstance(driver, DriverUnavailable):
        return None, driver.reason
    try:
        return Gpu(driver, device.properties.uuid), None
    except QueryRefused as refused:
        return None, refused.reason


def sampler_config(device: Device) -> SamplerConfig:
    """What the telemetry process is to sample."""
    properties = device.properties
    return SamplerConfig(pid=os.getpid(), gpu_uuid=properties.uuid if properties.kind == "cuda" else None)


def now() -> datetime:
    """The time of day, in UTC."""
    return datetime.now(UTC)
