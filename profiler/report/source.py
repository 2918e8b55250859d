"""Where a number of the report comes from, or why it is missing."""

from __future__ import annotations

from msgspec import Struct

from profiler.report.vocabulary import Tier


class Source(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a number comes from: `tier` if it is there, `missing` (the reason) if it is null."""

    tier: Tier | None = None
    window_ms: float | None = None
    note: str | None = None
    missing: str | None = None


Sources = dict[str, Source]
