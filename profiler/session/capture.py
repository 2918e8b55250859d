"""`capture`: the same report for a loop of one's own, whose iterations the user marks."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from profiler.attribute.verdict import judge_request
from profiler.device.cache import load_or_measure
from profiler.device.gpu import gpu_of
from profiler.errors import BottleneckError, UsageError
from profiler.measure.clean import clean_of, is_steady
from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.report.records import Advice, Clean, Phase, Report, ReportWarning
from profiler.report.source import Source
from profiler.session.bench import Bench, PhasePlan
from profiler.session.environment import describe
from profiler.session.judged_trace import judge_trace
from profiler.session.machine import Machine, now, sampler_config, this_machine
from profiler.session.marked import ITERATIONS_PER_REPEAT, WARMUP_ITERATIONS, Instruments, MarkedPhase, NamedPhase
from profiler.session.paced_trace import PacedTrace
from profiler.session.phase_record import phase_record

if TYPE_CHECKING:
    import torch


class Capture:
    """Measures the iterations that `step` marks. `report` is there when the context has ended."""

    def __init__(
        self, device: str = "auto", *, model: torch.nn.Module | None = None, machine: Machine | None = None
    ) -> None:
        """`model` names the layers of the kernels. Raises as `select_device` does."""
        self._machine = machine or this_machine(device)
        self._gpu, reason = gpu_of(self._machine.device, self._machine.driver)
        self._environment, self._warnings = describe(self._machine.device, self._gpu, reason)
        self._model = model
        self._phases: dict[str, MarkedPhase] = {}
        self._latest: Step | None = None
        self._report: Report | None = None

    @property
    def report(self) -> Report:
        """The report. Raises `UsageError` before the context has ended."""
        if self._report is None:
            raise UsageError("the report is made when the capture ends", "read it after the `with` block")
        return self._report

    def __enter__(self) -> Capture:
        """Measure the ceilings, or take them from the cache, before the loop begins."""
        device = self._machine.device
        with ExitStack() as stack:
            sampler = stack.enter_context(self._machine.sampler(sampler_config(device)))
            ceilings = load_or_measure(device, now=now, gpu=self._gpu, warn=self._warnings.append)
            sampler.wait_until_ready()
            self._stack = stack.pop_all()
        self._instruments = Instruments(device, sampler, time.monotonic_ns, self._model)
        self._bench = Bench(device, ceilings, sampler, time.monotonic_ns, Plan.standard(), SilentProgress())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Judge what was measured. An exception of the loop passes through, and the report is not complete then."""
        with self._stack:
            try:
                for phase in self._phases.values():
                    phase.finish()
                self._report = self._judge(ended=error is None)
            except BottleneckError:
                if error is None:  # what the loop raised is what its owner must see
                    raise

    def step(self, name: str) -> Step:
        """Mark an iteration of the phase `name`, in one of two ways.

        `with capture.step("decode"): ...` around it; the iterations of several phases may follow one another.
        `capture.step("decode")` after it, as `torch.profiler`'s `step()`: an iteration is what lies between two of
        these calls, so the first one only says where to begin, and there can be one phase only. Raises `UsageError`
        for a second one.
        """
        phase = self._phases.setdefault(name, MarkedPhase(name, self._instruments))
        previous, self._latest = self._latest, Step(phase)
        if previous is not None and not previous.entered:
            self._mark(previous, self._latest)
        return self._latest

    def _mark(self, previous: Step, mark: Step) -> None:
        """`previous` was no `with`: it was the mark after which this iteration began."""
        if len(self._phases) > 1:
            raise UsageError(
                f"step() without `with` marks one phase, not {' and '.join(self._phases)}",
                f'write `with capture.step("{mark.phase.name}"):` around each iteration',
            )
        if previous.opened:
            mark.phase.end()
        else:
            mark.phase.iterations += 1  # known for one only now, so it warmed up
        mark.phase.begin()
        mark.opened = True

    def _judge(self, *, ended: bool) -> Report:
        records: list[Phase] = []
        advice: list[Advice] = []
        wanting = [reason for phase in self._phases.values() if (reason := phase.wanting())]
        if not self._phases:
            wanting.append("no iteration was marked: call step(name) for each")
        self._warnings += [ReportWarning(code="too_few_iterations", message=reason) for reason in wanting]
        for reason in wanting:  # now, while whoever runs the loop looks: the report may be read much later
            sys.stderr.write(f"bottleneck: {reason}, so the report is not complete\n")
        self._warnings += [
            ReportWarning(
                code="timed_after_trace",
                message=f"{phase.name} was timed after another phase was traced, which leaves a GPU's launches slower",
                phase=phase.name,
            )
            for phase in self._phases.values()
            if phase.timed_after_trace and self._machine.device.properties.kind == "cuda"
        ]
        for phase in self._phases.values():
            if phase.wall_ms:
                record, found = self._record(phase)
                records.append(record)
                advice += found
        weighed = [
            (
                record.name,
                record.clean.wall_ms.median * self._phases[record.name].iterations,
                record.verdict,
                record.shares,
            )
            for record in records
        ]
        return Report(
            kind="capture",
            complete=ended and not wanting,
            created_at=now().isoformat(timespec="seconds"),
            environment=self._environment,
            workload=None,
            ceilings=self._bench.ceilings,
            phases=records,
            verdict=judge_request(weighed),
            advice=sorted(advice, key=lambda piece: -(piece.speedup or 0.0)),
            warnings=self._warnings,
        )

    def _record(self, phase: MarkedPhase) -> tuple[Phase, list[Advice]]:
        plan = PhasePlan(
            phase=NamedPhase(phase.name),
            dtype="",
            mode="capture",
            offload="none",
            needed=None,
            needed_note="summed over the traced operations, as the architecture is not known",
            modules=self._model,
        )
        clean = _clean(phase)
        if phase.trace is None:
            return phase_record(self._bench, plan, clean, phase.telemetry, None, phase.wanting()), []
        traced = judge_trace(self._bench, plan, clean, None, phase.telemetry, PacedTrace(phase.trace), None)
        record = phase_record(self._bench, plan, clean, phase.telemetry, traced, traced.refusal)
        return record, traced.judgement.advice if traced.judgement else []


class Step:
    """One call of `Capture.step`: the context of an iteration, or a mark after it."""

    def __init__(self, phase: MarkedPhase) -> None:
        self.phase = phase
        self.entered = False
        self.opened = False  # as a mark, it has begun the next iteration

    def __enter__(self) -> None:
        if self.opened:
            raise UsageError("step() was called without `with` before, and with it now", "use one of the two ways")
        self.entered = True
        self.phase.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.phase.end()
        else:
            self.phase.leave()


def _clean(phase: MarkedPhase) -> Clean:
    def repeats(samples: list[float]) -> list[list[float]]:
        size = ITERATIONS_PER_REPEAT
        return [samples[i : i + size] for i in range(0, len(samples), size)]

    clean = clean_of(
        repeats(phase.wall_ms),
        repeats(phase.gpu_ms) or None,
        warmup_iterations=WARMUP_ITERATIONS,
        steady=is_steady(phase.wall_ms),
    )
    once = Source(missing="the iterations of a loop that is not ours are not repeated")
    return replace(clean, sources={**clean.sources, "first_time_ms": once})


def capture(device: str = "auto", *, model: torch.nn.Module | None = None) -> Capture:
    """Profile a loop of one's own.

    >>> with capture() as c:  # doctest: +SKIP
    ...     for token in tokens:
    ...         model(token)
    ...         c.step("decode")
    >>> c.report.verdict.class_  # doctest: +SKIP
    """
    return Capture(device, model=model)
