"""`profile`: from a model's name to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace as with_fields

from profiler.attribute.operation_work import TokenShape
from profiler.attribute.rates import NeededWork
from profiler.attribute.verdict import judge_request, refuse
from profiler.catalogue.work import phase_work
from profiler.device.cache import load_or_measure
from profiler.device.gpu import gpu_of
from profiler.errors import BottleneckError, InterruptedByUser, UsageError, bug
from profiler.measure.plan import Plan
from profiler.progress import Progress, SilentProgress
from profiler.report.ceilings import Ceilings
from profiler.report.cost_surface import CostSurface
from profiler.report.environment import Environment
from profiler.report.records import Advice, Phase, Report, ReportWarning, Verdict
from profiler.report.store import check_writable, write_atomically
from profiler.report.workload import Capacity, Workload
from profiler.session.bench import Bench, PhasePlan
from profiler.session.capacity import capacity_of
from profiler.session.cross_checks import is_throttled_now
from profiler.session.environment import describe
from profiler.session.growth import measure_growth
from profiler.session.load_phase import load_phase
from profiler.session.machine import Machine, now, sampler_config, this_machine
from profiler.session.measured_phase import time_phase, trace_phase
from profiler.session.request import ProfileRequest
from profiler.session.sweep import Sweep
from profiler.session.sweep_grid import grid_of
from profiler.session.swept_model import SweptModel
from profiler.session.trace_file import trace_file
from profiler.session.workload_record import workload_record
from profiler.workload.build import load
from profiler.workload.effort import NEW_TOKENS
from profiler.workload.engines import Phases
from profiler.workload.fit import DTYPE_BYTES, translating_torch_errors
from profiler.workload.loaded import LoadedModel
from profiler.workload.phase import RunnablePhase
from profiler.workload.source import SourceKind, resolve
from profiler.workload.spec import WorkloadSpec

PLANS: dict[str, Callable[[], Plan]] = {"quick": Plan.quick, "standard": Plan.standard, "thorough": Plan.thorough}


@dataclass(slots=True)
class _SoFar:
    """What of the report there is so far: a run that ends early hands this over."""

    request: ProfileRequest
    environment: Environment
    doing: str = "measuring what this device can reach"
    ceilings: Ceilings | None = None
    workload: Workload | None = None
    capacity: Capacity | None = None
    phases: dict[str, Phase] = field(default_factory=dict)
    advice: list[Advice] = field(default_factory=list)
    warnings: list[ReportWarning] = field(default_factory=list)
    traces: dict[str, bytes] = field(default_factory=dict)
    costs: CostSurface | None = None

    def report(self, *, complete: bool) -> Report:
        """The report as far as it goes."""
        phases = list(self.phases.values())
        none = Ceilings(device=self.environment.device, measured_at=None, from_cache=False, ceilings=[])
        return Report(
            kind="profile",
            complete=complete,
            created_at=now().isoformat(timespec="seconds"),
            environment=self.environment,
            workload=self.workload,
            ceilings=self.ceilings or none,
            phases=phases,
            verdict=request_verdict(phases, self.request.new_tokens),
            capacity=self.capacity,
            advice=sorted(self.advice, key=lambda advice: -(advice.speedup or 0.0)),
            warnings=self.warnings,
            costs=self.costs,
        )

    def partial(self, how: str) -> Report:
        """The report of a run that `how` (interrupted, failed) before its end; its traces are kept, too."""
        message = f"{how} while {self.doing}: that and what comes after it is missing or not whole"
        self.warnings.append(ReportWarning(code=how, message=message))
        try:
            self.write_traces()
        except BottleneckError as error:
            self.warnings.append(ReportWarning(code="trace_not_written", message=error.message))
        except KeyboardInterrupt:  # a second one: the traces take longest, the report costs no time
            self.warnings.append(ReportWarning(code="trace_not_written", message="interrupted while it was written"))
        return self.report(complete=False)

    def write_traces(self) -> None:
        """Write the traces where they were asked for. Raises `UsageError` where that cannot be done."""
        path = self.request.trace_out
        if path is not None and self.traces:
            write_atomically(path, trace_file(self.traces, plain=path.suffix != ".gz"))


def profile(model: str, *, progress: Progress | None = None, **options: Any) -> Report:
    """Profile a model as `bottleneck profile MODEL` does; `options` are the fields of `ProfileRequest`.

    Raises the errors of `profiler.errors`, whose `partial` is the report so far; on Ctrl-C `InterruptedByUser`.
    """
    options.setdefault("new_tokens", NEW_TOKENS.get(options.get("effort", "standard")))
    if options.get("trace_out") is not None:
        options["trace_out"] = Path(options["trace_out"])
        check_writable(options["trace_out"], force=True)
    return profile_model(ProfileRequest(model=model, **options), progress=progress or SilentProgress())


def profile_model(
    request: ProfileRequest, *, progress: Progress, machine: Machine | None = None, plan: Plan | None = None
) -> Report:
    """Measure and judge what was asked for. `machine` and `plan` are those of the request unless given.

    A run that ends early hands over the report so far as `partial` of what it raises.
    """
    plan = plan or PLANS[request.effort]()
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
    try:
        source = resolve(request.model)
        if request.sweep and source.kind is SourceKind.FACTORY:
            raise UsageError("--sweep needs sizes to choose, and a factory decides those itself", "drop --sweep")
        progress.stage("starting")
        machine = machine or this_machine(request.device)
        device = machine.device
        spec.check_device(device.properties.kind)
        gpu, gpu_reason = gpu_of(device, machine.driver)
        environment, warnings = describe(device, gpu, gpu_reason)
    except KeyboardInterrupt as interrupt:
        raise InterruptedByUser from interrupt
    so_far = _SoFar(request, environment, warnings=warnings)
    try:
        with (
            machine.sampler(sampler_config(device)) as sampler,
            machine.counters(device) as counters,
            translating_torch_errors(),
        ):
            so_far.ceilings = load_or_measure(device, now=now, gpu=gpu, progress=progress, warn=warnings.append)
            asked = counters if request.counters else None
            bench = Bench(device, so_far.ceilings, sampler, time.monotonic_ns, plan, progress, asked)
            so_far.doing = "loading the model"
            loaded = load(spec, source, device, progress, time.monotonic_ns)
            so_far.workload = workload_record(spec, loaded, request.command)
            if loaded.legs:
                throttled = is_throttled_now(gpu)
                so_far.phases["load"] = load_phase(loaded.legs, loaded.load_seconds, throttled=throttled)
            _run(bench, spec, loaded, so_far)
    except KeyboardInterrupt as interrupt:
        raise InterruptedByUser(partial=so_far.partial("interrupted")) from interrupt
    except Exception as error:
        if not so_far.phases:
            raise
        partial_report = so_far.partial("failed")
        if isinstance(error, BottleneckError):
            error.partial = partial_report
            raise
        raise bug(error, partial=partial_report) from error
    report = so_far.report(complete=True)
    try:
        so_far.write_traces()
    except BottleneckError as error:
        error.partial = report
        raise
    return report


def _run(bench: Bench, spec: WorkloadSpec, loaded: LoadedModel, so_far: _SoFar) -> None:
    so_far.capacity = capacity_of(spec, loaded, bench.device)
    phases = Phases(loaded, spec, bench.device)
    timed = []
    for phase in (phases.prefill, phases.decode):
        so_far.doing = f"measuring {phase.name}"
        timed.append(
            time_phase(
                bench, phase, partial(phase_plan, spec=spec, loaded=loaded), lambda record: _keep(record, so_far)
            )
        )
    so_far.doing = "measuring decode at another context length"
    growth = measure_growth(bench, so_far.phases["decode"], phases.decode_at, spec.prompt_tokens)
    _keep(with_fields(so_far.phases["decode"], growth=growth), so_far)
    if so_far.request.sweep:
        so_far.doing = "sweeping batch sizes and lengths"
        _sweep(bench, SweptModel(loaded, spec, bench.device), so_far)
    for ready in timed:  # only now: a process that has traced is not as before
        name = ready.plan.phase.name
        so_far.doing = f"tracing {name}"
        measured = trace_phase(bench, ready)
        _keep(with_fields(measured.record, growth=so_far.phases[name].growth), so_far)
        so_far.advice += measured.advice
        if measured.trace is not None:
            so_far.traces[name] = measured.trace


def _sweep(bench: Bench, model: SweptModel, so_far: _SoFar) -> None:
    """What was measured is kept, however it ends."""
    request = so_far.request
    prefill, decode = (
        grid_of(name, model.longest, request.sweep_batches, request.sweep_lengths) for name in ("prefill", "decode")
    )
    sweep = Sweep(bench, model, prefill, decode)
    try:
        sweep.run()
    finally:
        so_far.costs = sweep.surface()
        so_far.warnings += sweep.warnings()


def _keep(record: Phase, so_far: _SoFar) -> None:
    so_far.phases[record.name] = record


def phase_plan(phase: RunnablePhase, spec: WorkloadSpec, loaded: LoadedModel) -> PhasePlan:
    """What is known of a phase before it runs."""
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


def request_verdict(phases: Sequence[Phase], new_tokens: int) -> Verdict:
    """The verdict of a request: the prefill once, a decode step for each further token. Loading happens before it."""
    weight = {"prefill": 1, "decode": new_tokens - 1}
    weighed = [
        (phase.name, weight[phase.name] * phase.clean.wall_ms.median, phase.verdict, phase.shares)
        for phase in phases
        if phase.name in weight
    ]
    return judge_request(weighed) if weighed else refuse("no phase of the request was measured")
