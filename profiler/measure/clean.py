"""The clean pass: how long an iteration takes with nothing attached. Every other pass is calibrated to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median

from msgspec import structs

from profiler.clock import Clock
from profiler.device.base import Device, Stopwatch
from profiler.measure.cycle import Cycle
from profiler.measure.pace import HostPace, Pacer, at_full_speed, dependence, is_plausible, pacing, usual_range
from profiler.measure.plan import Plan, iterations_for, repeats_for
from profiler.measure.statistics import DEVICE_RUN_TO_RUN, HOST_RUN_TO_RUN, distribution
from profiler.progress import Progress
from profiler.report.records import Clean, Distribution
from profiler.report.source import Source
from profiler.report.vocabulary import Tier
from profiler.workload.phase import NO_RESET, RunnablePhase

STEADY_GROUP = 4  # iterations whose median is compared with that of as many before
STEADY_TOLERANCE = 0.05  # of the median; a warm-up that still matters is far larger, noise mostly smaller
FEWEST_WARMUPS = 3  # a compiled step is compiled, then captured, and replayed from the third iteration on


@dataclass(frozen=True, slots=True)
class CleanPass:
    """The clean pass as the report shows it, and its raw samples in ms, one list a repeat.

    `cycle` is how many iterations after a reset were warmed up: other passes must not go beyond it, or they meet what
    is slow for the first time (a library that plans anew for each length). `slowdown` is that of the host in each
    iteration, where it was probed; `clean` does not know of it.
    """

    cycle: int
    clean: Clean
    wall_ms: list[list[float]]
    gpu_ms: list[list[float]] | None
    slowdown: list[list[float]] | None = None

    @property
    def host_slowdown(self) -> float | None:
        """The median of what the probes found; None without them, or where their reference cannot be this host's."""
        if not self.slowdown:
            return None
        slow = median(value for repeat in self.slowdown for value in repeat)
        return slow if is_plausible(slow) else None

    def beside_full_speed(self, host_ms: float | None) -> Clean:
        """The record with the times at the host's full speed beside those of the clock, whose interval knows of them.

        `host_ms` is the host's launching alone, at its full speed. Another run meets the host in another mood: so the
        interval of `wall_ms` reaches from full speed to the slowdown that a twentieth of the probes exceeded, as far as
        it reaches an iteration.
        """
        slow = self.host_slowdown
        if slow is None or host_ms is None or self.slowdown is None:
            return self.clean
        timed = self.clean.wall_ms
        found = dependence(self.wall_ms, self.slowdown, pacing(host_ms * slow / timed.median))
        depends = found.value
        full_speed = distribution(
            at_full_speed(self.wall_ms, self.slowdown, depends),
            math.hypot(DEVICE_RUN_TO_RUN, min(depends, 1.0) * HOST_RUN_TO_RUN),
            found.deviation * abs(math.log(slow)),
        )
        least, most = usual_range(self.slowdown)
        return structs.replace(
            self.clean,
            wall_ms=_widened(timed, full_speed, min(least, 1.0) ** depends, most**depends),
            full_speed_ms=full_speed,
            host_slowdown=slow,
            host_dependence=depends,
            sources={**self.clean.sources, **dict.fromkeys(_PACED, _PROBED)},
        )


def _widened(timed: Distribution, full_speed: Distribution, least: float, most: float) -> Distribution:
    """`timed` with an interval that also holds `full_speed` at slowdowns from `least` to `most`."""
    if timed.low is None or timed.high is None or full_speed.low is None or full_speed.high is None:
        return timed
    return structs.replace(
        timed, low=min(timed.low, full_speed.low * least), high=max(timed.high, full_speed.high * most)
    )


_PACED = ("full_speed_ms", "host_slowdown", "host_dependence")
_PROBED = Source(tier=Tier.HOST, note="a fixed piece of host work, timed between the iterations")
_NOT_PROBED = Source(missing="the host was not probed between the iterations, or cannot be timed alone")


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


def measure_clean(
    phase: RunnablePhase,
    device: Device,
    clock: Clock,
    plan: Plan,
    progress: Progress,
    pace: HostPace | None = None,
) -> CleanPass:
    """Time the phase in independent repeats, each from a fresh reset, after a warm-up to a steady state.

    Only `iterate` stands between two clock readings: resets, device timers, progress and the probes of `pace` are
    outside. The device's span includes a few us of marking it, so it can exceed the wall time by that much.
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
    repeats = repeats_for(warmup.iteration_ms, plan)
    stopwatches = _stopwatches(device, iterations)
    wall_ms: list[list[float]] = []
    gpu_ms: list[list[float]] = []
    slowdown: list[list[float]] = []
    seconds = repeats * iterations * warmup.iteration_ms / 1e3
    progress.stage(f"{phase.name}: measuring", repeats, seconds=seconds)
    try:
        for _ in range(repeats):
            wall_ms.append([])
            cycle.reset()
            pacer = None if pace is None else Pacer(pace, device, clock)
            time_iterations(phase, cycle, clock, iterations, stopwatches, wall_ms[-1], pacer)
            gpu_ms.append(_read(stopwatches, len(wall_ms[-1]), device))
            if pacer is not None:
                slowdown.append(pacer.slowdowns(len(wall_ms[-1])))
            progress.advance()
    except KeyboardInterrupt as interrupt:
        if len(gpu_ms) < len(wall_ms):
            gpu_ms.append(_read(stopwatches, len(wall_ms[-1]), device))
        partial = _clean_pass(wall_ms, gpu_ms, warmup, stopwatches is not None) if any(wall_ms) else None
        raise Interrupted(partial) from interrupt
    found = _clean_pass(wall_ms, gpu_ms, warmup, stopwatches is not None)
    return found if pace is None else replace(found, slowdown=slowdown)


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
    pacer: Pacer | None = None,
) -> None:
    """Time so many iterations, one stopwatch each where the device has them, and add their wall times to `wall_ms`."""
    iterate = phase.iterate
    for i in range(iterations):
        cycle.prepare()
        if pacer is not None:
            pacer.before(i)
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
    sources |= dict.fromkeys(_PACED, _NOT_PROBED)
    return Clean(
        wall_ms=distribution(wall_ms),
        gpu_ms=distribution(gpu_ms) if gpu_ms is not None else None,
        warmup_iterations=warmup_iterations,
        steady=steady,
        first_time_ms=first_time_ms,
        sources=sources,
    )
