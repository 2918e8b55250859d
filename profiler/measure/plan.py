"""How long to measure: the bounds of the three passes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The bounds of the passes over one phase. Counts are of iterations, times are of iterating (without resets)."""

    repeats: int  # independent ones in the clean pass: a t interval over fewer than 3 says next to nothing
    repeat_seconds: float
    most_iterations: int  # of one repeat
    warmup_seconds: float  # at least: clocks and caches need time, however short an iteration is
    most_warmup_seconds: float
    telemetry_seconds: float  # whole GPM windows of 0.5 s, and the time to take their marks
    traced_iterations: int
    host_iterations: int  # launched without waiting for the device, to time the host alone

    def __post_init__(self) -> None:
        if min(self.repeats, self.most_iterations, self.traced_iterations) < 1:
            raise ValueError("a plan needs at least one repeat, one iteration and one traced iteration")
        if not 0 <= self.warmup_seconds <= self.most_warmup_seconds:
            raise ValueError("warmup_seconds must lie between 0 and most_warmup_seconds")

    @classmethod
    def quick(cls) -> Plan:
        """For a first look: wide intervals."""
        return cls(
            repeats=3,
            repeat_seconds=0.3,
            most_iterations=20,
            warmup_seconds=0.1,
            most_warmup_seconds=1.0,
            telemetry_seconds=1.1,
            traced_iterations=2,
            host_iterations=5,
        )

    @classmethod
    def standard(cls) -> Plan:
        """About 8 s a phase on a GPU."""
        return cls(
            repeats=5,
            repeat_seconds=0.8,
            most_iterations=40,
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
            repeats=10,
            repeat_seconds=1.5,
            most_iterations=100,
            warmup_seconds=1.0,
            most_warmup_seconds=6.0,
            telemetry_seconds=6.2,
            traced_iterations=5,
            host_iterations=15,
        )


def iterations_for(iteration_ms: float, plan: Plan) -> int:
    """How many iterations one repeat takes, so that it lasts about `plan.repeat_seconds`: 1 to `most_iterations`."""
    if iteration_ms <= 0:
        return plan.most_iterations
    return max(1, min(plan.most_iterations, round(plan.repeat_seconds * 1000 / iteration_ms)))
