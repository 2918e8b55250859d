"""What is compared: the times of one result, whatever verb kept it, in one form."""

from __future__ import annotations

from dataclasses import dataclass, field

from profiler.report.comparison import Side
from profiler.report.vocabulary import BottleneckClass


@dataclass(frozen=True, slots=True)
class PartOfTime:
    """An exclusive part; `low_ms`..`high_ms` where its own result knows one."""

    name: str
    class_: BottleneckClass | None
    side: Side | None
    ms: float
    low_ms: float | None = None
    high_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A kernel, operation or family beneath a time, in one step of it."""

    name: str
    module: str | None
    calls: float
    ms: float


@dataclass(frozen=True, slots=True)
class OneTime:
    """A time in one result. The parts, where there are any, sum to `ms`.

    `reach` is how far, over `ms`, another run's time may lie from this one with 95% probability, by what this result
    knows; it rests on `repeats`. None where there was a single measurement, 0 where `ms` was calculated.
    `disturbed` is why this run may differ from another by more than any interval of its own can know.
    """

    name: str
    clock: str
    ms: float
    reach: float | None
    repeats: int
    parts: list[PartOfTime] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    work_is_cut: bool = False  # only the costliest are listed
    no_parts: str | None = None
    disturbed: str | None = None


@dataclass(frozen=True, slots=True)
class ComparedResult:
    """One result.

    `fixed` must be the same on both sides for like to be compared with like. `chosen` is how that work is run: it may
    differ between the sides, as what the comparison is of. `noted` may differ anywhere, and be the cause.
    `no_times` is why there are none, where there are none.
    """

    kind: str
    created_at: str | None
    held_back_by: BottleneckClass | None
    fixed: dict[str, str]
    noted: dict[str, str]
    times: list[OneTime]
    notes: list[str] = field(default_factory=list)
    chosen: dict[str, str] = field(default_factory=dict)
    no_times: str = "it ended before anything was measured"

    @property
    def alike(self) -> dict[str, str]:
        """What one series of results has in common."""
        return self.fixed | self.chosen
