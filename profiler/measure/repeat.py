"""The telemetry pass: the phase repeats for some seconds while another process samples driver and host."""

from __future__ import annotations

from typing import Protocol

from profiler.clock import Clock
from profiler.device.base import Device
from profiler.measure.cycle import Cycle
from profiler.measure.plan import Plan
from profiler.measure.telemetry.sampler import QUANTITIES
from profiler.measure.telemetry.source import Recording
from profiler.measure.telemetry.summary import Span, summarize
from profiler.progress import Progress
from profiler.report.telemetry import Telemetry
from profiler.workload.phase import RunnablePhase

MOST_STRETCH = 2  # where resets take longer than the iterations, time is better spent on the next phase


class Sampler(Protocol):
    """What samples meanwhile: a `SamplerProcess`, or a stand-in."""

    def wait_until_ready(self) -> None:
        """Return when it can sample at once, or never will."""

    def begin(self) -> None:
        """Sample from now on."""

    def end(self) -> Recording:
        """What was sampled since."""


def measure_telemetry(
    phase: RunnablePhase, device: Device, sampler: Sampler, clock: Clock, plan: Plan, progress: Progress
) -> Telemetry:
    """Repeat the phase for `plan.telemetry_seconds` of iterating, sampled all the while.

    `clock` must be CLOCK_MONOTONIC in ns (`time.monotonic_ns`): the sampler's times are compared with it.
    Resets are outside `seconds`, and windows that hold more than 5% of them are dropped, so energy per token and
    bandwidth are those of the iterations alone. A sampler that fails leaves null series with the reason.
    """
    progress.stage(f"{phase.name}: telemetry", seconds=plan.telemetry_seconds)
    cycle = Cycle(phase, device)
    sampler.wait_until_ready()
    cycle.prepare()
    phase.iterate()  # so that the first window begins in the middle of work, not at its ramp
    cycle.prepare()
    begin_ns = clock()
    sampler.begin()
    try:
        spans, iterations = _repeat(phase, cycle, clock, begin_ns, round(plan.telemetry_seconds * 1e9))
    finally:
        recording = sampler.end()
    return Telemetry(
        seconds=sum(end - begin for begin, end in spans) / 1e9,
        iterations=iterations,
        series=summarize(recording, QUANTITIES, spans),
    )


def _repeat(phase: RunnablePhase, cycle: Cycle, clock: Clock, begin_ns: int, wanted_ns: int) -> tuple[list[Span], int]:
    """Iterate for so long, resets not counted, but with them no longer than `MOST_STRETCH` times that."""
    spans: list[Span] = []
    latest_ns = begin_ns + MOST_STRETCH * wanted_ns
    earlier_ns = 0
    iterations = 0
    while True:
        phase.iterate()
        iterations += 1
        end_ns = clock()
        finished = earlier_ns + end_ns - begin_ns >= wanted_ns or end_ns >= latest_ns
        if finished or cycle.needs_reset:
            spans.append((begin_ns, end_ns))
            earlier_ns += end_ns - begin_ns
        if finished:
            return spans, iterations
        was_reset = cycle.needs_reset
        cycle.prepare()
        if was_reset:
            begin_ns = clock()
