"""A phase of a loop that is not ours: the passes take turns at its iterations.

The first few warm up, the next are timed with nothing attached, then come those that are traced, and then those that
the telemetry process samples, for more than a second: a loop that ends before has its verdict already. What follows
runs untouched.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from profiler.clock import Clock
from profiler.device.base import Device, Stopwatch
from profiler.measure.repeat import Sampler
from profiler.measure.telemetry.sampler import QUANTITIES
from profiler.measure.telemetry.summary import Span, summarize
from profiler.measure.tracing import StepTracer
from profiler.report.telemetry import Telemetry

if TYPE_CHECKING:
    import torch

WARMUP_ITERATIONS = 3
REPEATS = 4  # groups of consecutive iterations stand for independent repeats, which a loop of somebody else has not
ITERATIONS_PER_REPEAT = 5
TELEMETRY_NS = 1_200_000_000  # two whole windows of the driver's counters
TRACED_ITERATIONS = 4
TIMED_ITERATIONS = REPEATS * ITERATIONS_PER_REPEAT


@dataclass(frozen=True, slots=True)
class NamedPhase:
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


class _Turn(Enum):
    UNTOUCHED = auto()
    TIMED = auto()
    SAMPLED = auto()
    TRACED = auto()


@dataclass(slots=True)
class Instruments:
    """What the passes measure with. There is one of each, so one phase at a time may be sampled or traced."""

    device: Device
    sampler: Sampler
    clock: Clock
    modules: torch.nn.Module | None
    holder: MarkedPhase | None = None
    has_traced: bool = False


class MarkedPhase:
    """The iterations of one phase, each between `begin` and `end`, and what was measured of them.

    The device is waited for before and after an iteration, so that its time is its own.
    """

    def __init__(self, name: str, instruments: Instruments) -> None:
        self.name = name
        self.iterations = 0
        self.timed_after_trace = False  # of another phase: a process that has traced is not as before
        self.wall_ms: list[float] = []
        self.telemetry: Telemetry | None = None
        self.trace: bytes | None = None
        self._instruments = instruments
        self._turn = _Turn.UNTOUCHED
        self._begin_ns = 0
        self._stopwatch: Stopwatch | None = None
        self._stopwatches: list[Stopwatch] = []
        self._sampling = False
        self._spans: list[Span] = []
        self._tracer: StepTracer | None = None
        self._range: AbstractContextManager[object] | None = None
        self._traced = 0

    @property
    def gpu_ms(self) -> list[float]:
        """The device's span of each timed iteration; none where it has no clock of its own."""
        return [stopwatch.elapsed_ms() for stopwatch in self._stopwatches]

    def begin(self) -> None:
        """An iteration begins."""
        self._instruments.device.synchronize()
        self._turn = self._whose_turn()
        if self._turn is _Turn.TIMED:
            self.timed_after_trace |= self._instruments.has_traced
            self._stopwatch = self._instruments.device.stopwatch()
            if self._stopwatch is not None:
                self._stopwatch.start()
        elif self._turn is _Turn.SAMPLED and not self._sampling:
            self._sampling, self._instruments.holder = True, self
            self._instruments.sampler.wait_until_ready()
            self._instruments.sampler.begin()
        elif self._turn is _Turn.TRACED:
            self._range = self._start_tracer().step()
            self._range.__enter__()
        self._begin_ns = self._instruments.clock()

    def end(self) -> None:
        """It ends."""
        if self._stopwatch is not None:
            self._stopwatch.stop()
            self._stopwatches.append(self._stopwatch)
        self.leave()
        self._instruments.device.synchronize()
        end_ns = self._instruments.clock()
        self.iterations += 1
        if self._turn is _Turn.TIMED:
            self.wall_ms.append((end_ns - self._begin_ns) / 1e6)
        elif self._turn is _Turn.SAMPLED:
            self._spans.append((self._begin_ns, end_ns))
            if self._sampled_ns >= TELEMETRY_NS:
                self._end_telemetry()
        elif self._turn is _Turn.TRACED:
            self._traced += 1
            if self._traced == TRACED_ITERATIONS:
                self.trace = self._stop_tracer()

    def leave(self) -> None:
        """Let go of an iteration that does not come to its end: nothing is measured of it."""
        self._stopwatch = None
        if self._range is not None:
            self._range.__exit__(None, None, None)
            self._range = None

    def finish(self) -> None:
        """No more iterations: nothing stays attached. A trace that is not whole is dropped, samples are kept."""
        self.leave()
        if self._sampling:
            self._end_telemetry()
        if self._tracer is not None:
            self._stop_tracer()

    def wanting(self) -> str | None:
        """What the loop was too short for, and by how many iterations; None where nothing is missing."""
        if self.trace is not None:
            return None
        untimed = TIMED_ITERATIONS - len(self.wall_ms)
        warmup = max(0, WARMUP_ITERATIONS - self.iterations)
        untraced = TRACED_ITERATIONS - self._traced
        marked = f"{self.iterations} iterations of {self.name} were marked"
        return f"{marked}; {warmup + untimed + untraced} more are needed"

    @property
    def _sampled_ns(self) -> int:
        return sum(end - begin for begin, end in self._spans)

    def _whose_turn(self) -> _Turn:
        if self.iterations < WARMUP_ITERATIONS or self._instruments.holder not in (None, self):
            return _Turn.UNTOUCHED
        if len(self.wall_ms) < TIMED_ITERATIONS:
            return _Turn.TIMED
        if self.trace is None:
            return _Turn.TRACED
        return _Turn.SAMPLED if self.telemetry is None else _Turn.UNTOUCHED

    def _start_tracer(self) -> StepTracer:
        if self._tracer is None:
            self._instruments.holder, self._instruments.has_traced = self, True
            self._tracer = StepTracer(self.name, self._instruments.device, self._instruments.modules)
            self._tracer.start()
        return self._tracer

    def _stop_tracer(self) -> bytes:
        assert self._tracer is not None
        tracer, self._tracer, self._instruments.holder = self._tracer, None, None
        return tracer.stop()

    def _end_telemetry(self) -> None:
        recording = self._instruments.sampler.end()
        self._sampling, self._instruments.holder = False, None
        if self._spans:
            self.telemetry = Telemetry(
                seconds=self._sampled_ns / 1e9,
                iterations=len(self._spans),
                series=summarize(recording, QUANTITIES, self._spans),
            )
