"""What a device can reach."""

from __future__ import annotations

from msgspec import Struct

from profiler.report.vocabulary import Tier


class Ceiling(Struct, frozen=True, kw_only=True):
    """What the device was measured to reach, beside the datasheet."""

    name: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    datasheet: float | None
    tier: Tier
    missing: str | None = None


class Ceilings(Struct, frozen=True, kw_only=True):
    """All ceilings of one device."""

    device: str
    measured_at: str | None
    from_cache: bool
    ceilings: list[Ceiling]
