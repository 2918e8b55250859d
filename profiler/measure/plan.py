"""How long to measure: the bounds of the three passes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The bounds of the passes over one phase. Counts are of iterations, times are of iterating (without resets)."""

    repeats: int  # of the clean pass: short ones, as the speed of a shared host changes within a second
    repeat_seconds: float
    most_iterations: int  # of one repeat
    warmup_seconds: float  # at least: clocks and caches need time, however short an iteration is
    most_warmup_seconds: float
    telemetry_seconds: float  # whole GPM windows of 0.5 s, and the time to take their marks
    traced_iterations: int
    host_iterations: int  # launched without waiting for the device, to time the host alone
    fewest_repeats: int = 3  # where an iteration outlasts a repeat: an interval over fewer says next to nothing

    def __post_init__(self) -> None:
        if min(self.repeats, self.fewest_repeats, self.most_iterations, self.traced_iterations) < 1:
            raise ValueError("a plan needs at least one repeat, one iteration and one traced iteration")
        if not 0 <= self.warmup_seconds <= self.most_warmup_seconds:
            raise ValueError("warmup_seconds must lie between 0 and most_warmup_seconds")

    @classmethod
    def quick(cls) -> Plan:
        """For a first look: wide intervals."""
        return cls(
            repeats=10,
            fewest_repeats=3,
            repeat_seconds=0.15,
            most_iterations=15,
            warmup_seconds=0.1,
            most_warmup_seconds=1.0,
            telemetry_seconds=1.1,
            traced_iterations=2,
            host_iterations=5,
        )

    @classmethod
    def standard(cls) -> Plan:
        """About 10 s a phase on a GPU."""
        return cls(
            repeats=20,
            fewest_repeats=5,
            repeat_seconds=0.3,
            most_iterations=30,
            warmup_seconds=0.3,
            most_warmup_seconds=2.5,
            telemetry_seconds=2.2,
            traced_iterations=3,
            host_iterations=8,
        )

    @classmethod
    def thorough(cls) -> Plan:
        """For numbers to publish."""
        return cls(
            repeats=40,
            fewest_repeats=10,
            repeat_seconds=0.4,
            most_iterations=60,
            warmup_seconds=1.0,
            most_warmup_seconds=6.0,
            telemetry_seconds=6.2,
            traced_iterations=5,
            host_iterations=15,
        )

    @classmethod
    def sweep(cls) -> Plan:
        """For one of many points of a sweep, which is only timed: about a second where an iteration is short."""
        return cls(
            repeats=5,
            fewest_repeats=5,
            repeat_seconds=0.08,
            most_iterations=8,
            warmup_seconds=0.05,
            most_warmup_seconds=0.3,
            telemetry_seconds=0.0,
            traced_iterations=1,
            host_iterations=1,
        )


def iterations_for(iteration_ms: float, plan: Plan) -> int:
    """How many iterations one repeat takes, so that it lasts about `plan.repeat_seconds`: 1 to `most_iterations`."""
    if iteration_ms <= 0:
        return plan.most_iterations
    return max(1, min(plan.most_iterations, round(plan.repeat_seconds * 1000 / iteration_ms)))


def repeats_for(iteration_ms: float, plan: Plan) -> int:
    """How many repeats: all of them, or as many as last no longer where one iteration alone outlasts a repeat."""
    if iteration_ms <= plan.repeat_seconds * 1000:
        return plan.repeats
    return max(min(plan.fewest_repeats, plan.repeats), round(plan.repeats * plan.repeat_seconds * 1000 / iteration_ms))
