"""An entry and its relieved twin, timed in turns: clocks follow power, so neither may be the one that comes later."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks._common import Estimate, ratio_over_blocks
from benchmarks.truth.interleaved import time_in_turns
from benchmarks.truth.zoo.animal import Animal, Relieved
from profiler.clock import Clock
from profiler.device.base import Device
from profiler.measure.host_time import measure_host_ms
from profiler.measure.plan import Plan
from profiler.report.records import Clean

# Forty entries in two minutes: turns as short as clocks allow, but more of them than a standard profile has.
PLAN = Plan(
    repeats=6,
    repeat_seconds=0.075,
    most_iterations=40,
    warmup_seconds=0.15,
    most_warmup_seconds=0.5,
    telemetry_seconds=0.0,
    traced_iterations=3,
    host_iterations=7,
)
SMALL_PLAN = Plan(
    repeats=2,
    repeat_seconds=0.005,
    most_iterations=4,
    warmup_seconds=0.0,
    most_warmup_seconds=0.1,
    telemetry_seconds=0.0,
    traced_iterations=2,
    host_iterations=2,
)


@dataclass(frozen=True, slots=True)
class Timed:
    """What the clean pass says of an entry and of its relieved twin."""

    clean: Clean
    relieved: Clean
    host_ms: float | None

    @property
    def gain(self) -> Estimate:
        """1 - new time / old time over neighbouring turns, with its 95% interval."""
        ratio = ratio_over_blocks(self.relieved.wall_ms.repeat_medians, self.clean.wall_ms.repeat_medians)
        low, high = ratio.low, ratio.high
        return Estimate(1 - ratio.value, None if high is None else 1 - high, None if low is None else 1 - low)


def time_pair(animal: Animal, device: Device, clock: Clock, plan: Plan) -> Timed:
    """Time a built entry and its twin in turns, and the host alone."""
    clean, relieved = time_in_turns([animal, Relieved(animal)], device, clock, plan)
    return Timed(clean, relieved, measure_host_ms(animal, device, clock, plan))
