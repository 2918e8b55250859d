"""What a server's own profiler recorded of the load, as `analyze` judges it."""

from __future__ import annotations

from msgspec import Struct, field

from profiler.report.records import Verdict
from profiler.report.source import Sources
from profiler.report.trace_phases import PhaseKind


class EnginePhase(Struct, frozen=True, kw_only=True):
    """One phase of one rank: `step_ms` is the median of its `steps`, `idle_ratio` the GPU's idle share of them."""

    rank: str
    name: str
    kind: PhaseKind
    steps: int
    step_ms: float
    idle_ratio: float
    verdict: Verdict
    doubt: str | None


class EngineTrace(Struct, frozen=True, kw_only=True):
    """A stretch of the same load under the engine's profiler, after what was measured.

    `files` are those that appeared in `folder`; `seconds` is from its start to its stop. `verdict` is of the whole
    trace, of the rank that was busiest.
    """

    folder: str
    files: list[str]
    seconds: float | None
    phases: list[EnginePhase]
    verdict: Verdict | None
    sources: Sources = field(default_factory=dict)
