"""What to do about what holds a trace back, or to record for that to be known."""

from __future__ import annotations

from msgspec import Struct, field

from profiler.report.source import Sources


class TraceAdvice(Struct, frozen=True, kw_only=True):
    """One action; `speedup` is the old time of the trace over the new one as traced, null where `sources` says why."""

    action: str
    why: str
    speedup: float | None = None
    low: float | None = None
    high: float | None = None
    sources: Sources = field(default_factory=dict)
