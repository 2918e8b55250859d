"""Clean times of many phases, in turns: clocks and heat drift over a minute, and then they drift for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profiler.device.base import Device
from profiler.measure.clean import Clock, clean_of, time_iterations
from profiler.measure.cycle import Cycle
from profiler.measure.plan import Plan, iterations_for
from profiler.report.records import Clean
from profiler.workload.phase import RunnablePhase

FEWEST_ITERATIONS = 3  # of a turn
SETTLING_RATIO = 0.25  # of a turn, before it: the phase before it left its clocks and its caches


@dataclass(slots=True)
class _Turns:
    """One phase and what was timed of it."""

    phase: RunnablePhase
    cycle: Cycle
    iterations: int
    wall_ms: list[list[float]]
    gpu_ms: list[list[float]]
    warmups: int


def time_in_turns(phases: Sequence[RunnablePhase], device: Device, clock: Clock, plan: Plan) -> list[Clean]:
    """The clean times of phases that are all in memory: `plan.repeats` turns each, one phase after the other."""
    turns = [_warmed_up(phase, device, clock, plan) for phase in phases]
    for _ in range(plan.repeats):
        for one in turns:
            _take_turn(one, device, clock)
    return [
        clean_of(one.wall_ms, one.gpu_ms if any(one.gpu_ms) else None, warmup_iterations=one.warmups, steady=True)
        for one in turns
    ]


def _warmed_up(phase: RunnablePhase, device: Device, clock: Clock, plan: Plan) -> _Turns:
    cycle = Cycle(phase, device)
    samples_ms: list[float] = []
    while len(samples_ms) < FEWEST_ITERATIONS or sum(samples_ms) < plan.warmup_seconds * 1e3:
        time_iterations(phase, cycle, clock, 1, None, samples_ms)
    iterations = max(FEWEST_ITERATIONS, iterations_for(samples_ms[-1], plan))
    return _Turns(phase, cycle, iterations, [], [], len(samples_ms))


def _take_turn(one: _Turns, device: Device, clock: Clock) -> None:
    one.cycle.reset()
    settling = max(1, round(SETTLING_RATIO * one.iterations))
    time_iterations(one.phase, one.cycle, clock, settling, None, [])
    stopwatches = [watch for watch in (device.stopwatch() for _ in range(one.iterations)) if watch is not None]
    wall_ms: list[float] = []
    time_iterations(one.phase, one.cycle, clock, one.iterations, stopwatches or None, wall_ms)
    one.wall_ms.append(wall_ms)
    if stopwatches:
        device.synchronize()
        one.gpu_ms.append([watch.elapsed_ms() for watch in stopwatches])
