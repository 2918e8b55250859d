"""What the driver and the host were sampled to do while a phase was repeated."""

from __future__ import annotations

from msgspec import Struct, field

from profiler.report.vocabulary import Tier


class Series(Struct, frozen=True, kw_only=True):
    """One telemetry series over the telemetry pass of a phase; `value` is null where it could not be read.

    `values` are what was read `at_ms` after the pass began, or some of that, evenly chosen.
    """

    name: str
    unit: str
    tier: Tier
    value: float | None
    low: float | None
    high: float | None
    samples: int
    window_ms: float | None
    peak: float | None = None
    missing: str | None = None
    note: str | None = None
    at_ms: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class Telemetry(Struct, frozen=True, kw_only=True):
    """The telemetry pass: the phase repeated while another process samples the driver and the host."""

    seconds: float
    iterations: int
    series: list[Series]
