"""`capture`: the same report for a loop of one's own, whose iterations the user marks.

The passes cannot repeat a loop that is not theirs, so they take turns at its iterations. Of each phase the first few
warm up, the next are timed with nothing attached, then come those that the telemetry process samples, and then those
that are traced. What follows runs untouched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from profiler.attribute.verdict import judge_request
from profiler.device.base import Device, Stopwatch
from profiler.device.cache import load_or_measure
from profiler.device.select import open_driver, select_device
from profiler.errors import UsageError
from profiler.measure.clean import clean_of
from profiler.measure.plan import Plan
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import QUANTITIES
from profiler.measure.telemetry.summary import Span, summarize
from profiler.measure.tracing import StepTracer
from profiler.progress import SilentProgress
from profiler.report.records import Advice, Phase, Report, ReportWarning, Telemetry
from profiler.session.environment import describe
from profiler.session.machine import gpu_of, now, sampler_config
from profiler.session.measured_phase import Bench, PhasePlan, judge_trace, phase_record

if TYPE_CHECKING:
    import torch

WARMUP_ITERATIONS = 3
REPEATS = 4  # groups of consecutive iterations stand for independent repeats, which a loop of somebody else has not
ITERATIONS_PER_REPEAT = 5
TELEMETRY_NS = 1_200_000_000  # two whole windows of the driver's counters
TRACED_ITERATIONS = 4
_TIMED = WARMUP_ITERATIONS + REPEATS * ITERATIONS_PER_REPEAT


@dataclass(slots=True)
class _Marked:
    """A phase that the user marks, and what was measured of it."""

    name: str
    iterations: int = 0
    wall_ms: list[float] = field(default_factory=list)
    stopwatches: list[Stopwatch] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    telemetry: Telemetry | None = None
    tracer: StepTracer | None = None
    traced: int = 0
    trace: bytes | None = None


@dataclass(frozen=True, slots=True)
class MarkedPhase:
    """A marked phase as the passes know phases; it cannot be run again."""

    name: str
    shape: None = None
    iterations_per_reset: int = 1
    launch: None = None
    body: None = None

    def reset(self) -> None:
        """Nothing: the loop is the user's."""

    def iterate(self) -> None:
        """Nothing: the loop is the user's."""


class Capture:
    """Measures the iterations that `step` marks. `report` is there when the context has ended."""

    def __init__(self, device: str = "auto", *, model: torch.nn.Module | None = None) -> None:
        """`model` names the layers of the kernels. Raises as `select_device` does."""
        driver = open_driver()
        self._device: Device = select_device(device, driver=driver)
        gpu, reason = gpu_of(self._device, driver)
        self._environment, self._warnings = describe(self._device, gpu, reason)
        self._model = model
        self._gpu = gpu
        self._stack = ExitStack()
        self._marked: dict[str, _Marked] = {}
        self._report: Report | None = None

    @property
    def report(self) -> Report:
        """The report. Raises `UsageError` before the context has ended."""
        if self._report is None:
            raise UsageError("the report is made when the capture ends", "read it after the `with` block")
        return self._report

    def __enter__(self) -> Capture:
        """Measure the ceilings, or take them from the cache, before the loop begins."""
        sampler = self._stack.enter_context(SamplerProcess(sampler_config(self._device)))
        ceilings = load_or_measure(self._device, now=now, gpu=self._gpu, warn=self._warnings.append)
        self._sampler = sampler
        sampler.wait_until_ready()
        self._bench = Bench(self._device, ceilings, sampler, time.monotonic_ns, Plan.standard(), SilentProgress())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Judge what was measured; an exception of the loop passes through."""
        with self._stack:
            for marked in self._marked.values():
                if marked.tracer is not None:
                    self._end_trace(marked)
                if marked.spans and marked.telemetry is None:
                    self._end_telemetry(marked)
            if self._marked or error is None:
                self._report = self._judge()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One iteration of the phase `name`: `with capture.step("decode"): ...`.

        The device is waited for before and after, so that an iteration's time is its own.
        """
        marked = self._marked.setdefault(name, _Marked(name))
        self._device.synchronize()
        marked.iterations += 1
        if marked.iterations <= WARMUP_ITERATIONS:
            yield
        elif marked.iterations <= _TIMED:
            yield from self._timed(marked)
        elif marked.telemetry is None:
            yield from self._sampled(marked)
        elif marked.traced < TRACED_ITERATIONS:
            yield from self._traced(marked)
        else:
            yield

    def _timed(self, marked: _Marked) -> Iterator[None]:
        stopwatch = self._device.stopwatch()
        if stopwatch is not None:
            stopwatch.start()
        begin_ns = time.monotonic_ns()
        yield
        if stopwatch is not None:
            stopwatch.stop()
            marked.stopwatches.append(stopwatch)
        self._device.synchronize()
        marked.wall_ms.append((time.monotonic_ns() - begin_ns) / 1e6)

    def _sampled(self, marked: _Marked) -> Iterator[None]:
        if not marked.spans:
            self._sampler.wait_until_ready()
            self._sampler.begin()
        begin_ns = time.monotonic_ns()
        yield
        self._device.synchronize()
        marked.spans.append((begin_ns, time.monotonic_ns()))
        if sum(end - begin for begin, end in marked.spans) >= TELEMETRY_NS:
            self._end_telemetry(marked)

    def _traced(self, marked: _Marked) -> Iterator[None]:
        if marked.tracer is None:
            marked.tracer = StepTracer(marked.name, self._device, self._model)
            marked.tracer.start()
        with marked.tracer.step():
            yield
        self._device.synchronize()
        marked.traced += 1
        if marked.traced == TRACED_ITERATIONS:
            self._end_trace(marked)

    def _end_telemetry(self, marked: _Marked) -> None:
        recording = self._sampler.end()
        marked.telemetry = Telemetry(
            seconds=sum(end - begin for begin, end in marked.spans) / 1e9,
            iterations=len(marked.spans),
            series=summarize(recording, QUANTITIES, marked.spans),
        )

    def _end_trace(self, marked: _Marked) -> None:
        assert marked.tracer is not None
        marked.trace, marked.tracer = marked.tracer.stop(), None

    def _judge(self) -> Report:
        phases: list[Phase] = []
        advice: list[Advice] = []
        for marked in self._marked.values():
            if len(marked.wall_ms) < 1:
                self._warnings.append(
                    ReportWarning(
                        code="too_few_iterations",
                        message=f"{marked.iterations} iterations of {marked.name} were marked; timing begins after "
                        f"{WARMUP_ITERATIONS}",
                    )
                )
                continue
            record, found = self._phase(marked)
            phases.append(record)
            advice += found
        weighed = [
            (phase.name, phase.clean.wall_ms.median * self._marked[phase.name].iterations, phase.verdict, phase.shares)
            for phase in phases
        ]
        return Report(
            kind="capture",
            complete=bool(phases) and all(phase.parts for phase in phases),
            created_at=now().isoformat(timespec="seconds"),
            environment=self._environment,
            workload=None,
            ceilings=self._bench.ceilings,
            phases=phases,
            verdict=judge_request(weighed),
            advice=sorted(advice, key=lambda piece: -(piece.speedup or 0.0)),
            warnings=self._warnings,
        )

    def _phase(self, marked: _Marked) -> tuple[Phase, list[Advice]]:
        size = ITERATIONS_PER_REPEAT
        gpu_ms = [stopwatch.elapsed_ms() for stopwatch in marked.stopwatches]
        clean = clean_of(
            [marked.wall_ms[i : i + size] for i in range(0, len(marked.wall_ms), size)],
            [gpu_ms[i : i + size] for i in range(0, len(gpu_ms), size)] or None,
            warmup_iterations=WARMUP_ITERATIONS,
            steady=True,
        )
        plan = PhasePlan(
            phase=MarkedPhase(marked.name),
            dtype="",
            mode="capture",
            offload="none",
            needed=None,
            needed_note="summed over the traced operations, as the architecture is not known",
            modules=self._model,
        )
        if marked.trace is None:
            needed = _TIMED + TRACED_ITERATIONS
            reason = f"{marked.iterations} iterations were marked; a trace needs {needed}, and {TELEMETRY_NS / 1e9} s"
            return phase_record(self._bench, plan, clean, marked.telemetry, None, reason), []
        traced = judge_trace(self._bench, plan, clean, None, marked.telemetry, marked.trace, None)
        record = phase_record(self._bench, plan, clean, marked.telemetry, traced, traced.refusal)
        return record, traced.judgement.advice if traced.judgement else []


def capture(device: str = "auto", *, model: torch.nn.Module | None = None) -> Capture:
    """Profile a loop of one's own.

    >>> with capture() as c:  # doctest: +SKIP
    ...     for token in tokens:
    ...         with c.step("decode"):
    ...             model(token)
    >>> c.report.verdict.class_  # doctest: +SKIP
    """
    return Capture(device, model=model)
