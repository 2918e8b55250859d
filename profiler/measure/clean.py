"""The clean pass: how long an iteration takes with nothing attached. Every other pass is calibrated to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from profiler.device.base import Device, Stopwatch
from profiler.measure.cycle import Cycle
from profiler.measure.plan import Plan, iterations_for
from profiler.measure.statistics import distribution
from profiler.progress import Progress
from profiler.report.records import Clean, Source
from profiler.report.vocabulary import Tier
from profiler.workload.phase import NO_RESET, RunnablePhase

Clock = Callable[[], int]
"""Monotonic nanoseconds."""

STEADY_GROUP = 4  # iterations whose median is compared with that of as many before
STEADY_TOLERANCE = 0.05  # of the median; a warm-up that still matters is far larger, noise mostly smaller
FEWEST_WARMUPS = 3  # a compiled step is compiled, then captured, and replayed from the third iteration on


@dataclass(frozen=True, slots=True)
class CleanPass:
    """The clean pass as the report shows it, and its raw samples in ms, one list a repeat.

    `cycle` is how many iterations after a reset were warmed up: other passes must not go beyond it, or they meet what
    is slow for the first time (a library that plans anew for each context length).
    """

    cycle: int
    clean: Clean
    wall_ms: list[list[float]]
    gpu_ms: list[list[float]] | None


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during the clean pass. `partial` holds what was measured until then, None if that is nothing."""

    def __init__(self, partial: CleanPass | None) -> None:
        super().__init__()
        self.partial = partial


@dataclass(frozen=True, slots=True)
class _Warmup:
    samples_ms: list[float]
    first: int  # so many of them met their context length for the first time
    cycle: int
    meets_new_contexts: bool
    steady: bool

    @property
    def iteration_ms(self) -> float:
        return median(self.samples_ms[-STEADY_GROUP:])


def measure_clean(phase: RunnablePhase, device: Device, clock: Clock, plan: Plan, progress: Progress) -> CleanPass:
    """Time the phase in independent repeats, each from a fresh reset, after a warm-up to a steady state.

    Only `iterate` stands between two clock readings: resets, device timers and progress are outside. The device's
    span includes a few us of marking it, so it can exceed the wall time by that much.
    The garbage collector runs as it does in a loop that nobody measures.

    Raises `Interrupted` on Ctrl-C, with the iterations measured so far.
    """
    progress.stage(f"{phase.name}: warming up")
    try:
        warmup = _warm_up(phase, device, clock, plan)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(None) from interrupt
    cycle = Cycle(phase, device, warmup.cycle)
    iterations = iterations_for(warmup.iteration_ms, plan)
    stopwatches = _stopwatches(device, iterations)
    wall_ms: list[list[float]] = []
    gpu_ms: list[list[float]] = []
    progress.stage(f"{phase.name}: measuring", plan.repeats)
    try:
        for _ in range(plan.repeats):
            wall_ms.append([])
            cycle.reset()
            time_iterations(phase, cycle, clock, iterations, stopwatches, wall_ms[-1])
            gpu_ms.append(_read(stopwatches, len(wall_ms[-1]), device))
            progress.advance()
    except KeyboardInterrupt as interrupt:
        if len(gpu_ms) < len(wall_ms):
            gpu_ms.append(_read(stopwatches, len(wall_ms[-1]), device))
        partial = _clean_pass(wall_ms, gpu_ms, warmup, stopwatches is not None) if any(wall_ms) else None
        raise Interrupted(partial) from interrupt
    return _clean_pass(wall_ms, gpu_ms, warmup, stopwatches is not None)


def is_steady(samples_ms: list[float]) -> bool:
    """Whether a warm-up is over: the last iterations took as long as those before them.

    The medians of the last two groups of `STEADY_GROUP` iterations differ by no more than 5%, or than each group itself
    scatters: a trend shows more between the groups than within one, noise does not. Smaller groups are compared where
    there are too few samples.
    """
    size = min(STEADY_GROUP, len(samples_ms) // 2)
    if size == 0:
        return False
    newest, before = samples_ms[-size:], samples_ms[-2 * size : -size]
    scatter = min(max(group) - min(group) for group in (newest, before))
    tolerance = max(STEADY_TOLERANCE * median(newest), scatter)
    return abs(median(newest) - median(before)) <= tolerance


def _warm_up(phase: RunnablePhase, device: Device, clock: Clock, plan: Plan) -> _Warmup:
    """Iterate until steady; where contexts grow from one to the next, once more over the same ones.

    What is slow the first time at each context length (a library that plans for it) is then seen, and over.
    """
    samples_ms = _until_steady(phase, Cycle(phase, device), clock, plan)
    first, cycle = len(samples_ms), min(phase.iterations_per_reset, len(samples_ms))
    if cycle > 1 and _ordinary_seconds(samples_ms) < plan.most_warmup_seconds:
        again = Cycle(phase, device, cycle)
        samples_ms += [_timed(phase, again, clock) for _ in range(min(cycle, 2 * STEADY_GROUP))]
    meets_new_contexts = 1 < phase.iterations_per_reset < NO_RESET
    return _Warmup(samples_ms, first, cycle, meets_new_contexts, is_steady(samples_ms[-2 * STEADY_GROUP :]))


def _until_steady(phase: RunnablePhase, cycle: Cycle, clock: Clock, plan: Plan) -> list[float]:
    samples_ms: list[float] = []
    while True:
        samples_ms.append(_timed(phase, cycle, clock))
        seconds = _ordinary_seconds(samples_ms)
        settled = len(samples_ms) >= 2 * STEADY_GROUP and is_steady(samples_ms) and seconds >= plan.warmup_seconds
        if settled or (len(samples_ms) >= FEWEST_WARMUPS and seconds >= plan.most_warmup_seconds):
            return samples_ms


def _timed(phase: RunnablePhase, cycle: Cycle, clock: Clock) -> float:
    cycle.prepare()
    begin = clock()
    phase.iterate()
    return (clock() - begin) / 1e6


def _ordinary_seconds(samples_ms: list[float]) -> float:
    """Time spent in iterations like the latest: a compilation before it does not use the warm-up's time up."""
    longest = 2 * samples_ms[-1]
    return sum(sample for sample in samples_ms if sample <= longest) / 1000


def time_iterations(
    phase: RunnablePhase,
    cycle: Cycle,
    clock: Clock,
    iterations: int,
    stopwatches: list[Stopwatch] | None,
    wall_ms: list[float],
) -> None:
    """Time so many iterations, one stopwatch each where the device has them, and add their wall times to `wall_ms`."""
    iterate = phase.iterate
    for i in range(iterations):
        cycle.prepare()
        if stopwatches is None:
            begin = clock()
            iterate()
            end = clock()
        else:
            stopwatch = stopwatches[i]
            stopwatch.start()
            begin = clock()
            iterate()
            end = clock()
            stopwatch.stop()
        wall_ms.append((end - begin) / 1e6)


def _stopwatches(device: Device, count: int) -> list[Stopwatch] | None:
    stopwatches = [stopwatch for stopwatch in (device.stopwatch() for _ in range(count)) if stopwatch is not None]
    return stopwatches or None


def _read(stopwatches: list[Stopwatch] | None, count: int, device: Device) -> list[float]:
    if stopwatches is None:
        return []
    device.synchronize()
    return [stopwatch.elapsed_ms() for stopwatch in stopwatches[:count]]


def _clean_pass(wall_ms: list[list[float]], gpu_ms: list[list[float]], warmup: _Warmup, has_timer: bool) -> CleanPass:
    clean = clean_of(
        wall_ms,
        gpu_ms if has_timer else None,
        warmup_iterations=len(warmup.samples_ms),
        steady=warmup.steady,
        first_time_ms=median(warmup.samples_ms[: warmup.first]) if warmup.meets_new_contexts else None,
    )
    return CleanPass(warmup.cycle, clean, wall_ms, gpu_ms if has_timer else None)


def clean_of(
    wall_ms: list[list[float]],
    gpu_ms: list[list[float]] | None,
    *,
    warmup_iterations: int,
    steady: bool,
    first_time_ms: float | None = None,
) -> Clean:
    """The record of timed iterations, one list a repeat. `gpu_ms` is None where the device has no clock of its own."""
    sources = {"wall_ms": Source(tier=Tier.HOST)}
    if gpu_ms is not None:
        sources["gpu_ms"] = Source(tier=Tier.TIMELINE, note="between CUDA events around an iteration")
    else:
        sources["gpu_ms"] = Source(missing="this device has no clock of its own")
    sources["first_time_ms"] = (
        Source(tier=Tier.HOST, note="median iteration of the warm-up, at context lengths new to the process")
        if first_time_ms is not None
        else Source(missing="no iteration meets another context length than the one before")
    )
    return Clean(
        wall_ms=distribution(wall_ms),
        gpu_ms=distribution(gpu_ms) if gpu_ms is not None else None,
        warmup_iterations=warmup_iterations,
        steady=steady,
        first_time_ms=first_time_ms,
        sources=sources,
    )
