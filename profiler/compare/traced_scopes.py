"""What a budget may limit of an analysis: its ranks, and the phases that were found in them. A rule holds of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from profiler.compare.measured import Judged, Measured, Scope, exactly
from profiler.compare.quantities import SHARES
from profiler.report.analysis import Analysis, PhaseAnalysis, RankAnalysis
from profiler.report.records import Share, Verdict
from profiler.report.trace_phases import PhaseKind, StepTime

_ABSENT = "a trace does not tell it"


def overall(analysis: Analysis) -> list[Scope]:
    """Every rank, as it was traced."""
    return [_rank(rank, alone=len(analysis.ranks) == 1) for rank in analysis.ranks] or [_nothing("no trace was read")]


def phase(analysis: Analysis, name: str) -> list[Scope]:
    """Every phase of that kind or name, in all ranks."""
    found = [
        _phase(each, "" if len(analysis.ranks) == 1 else f"{rank.name} ")
        for rank in analysis.ranks
        for each in rank.phases
        if name in (each.kind, each.name)
    ]
    return found or [_nothing(f"no {name} was found in the trace")]


def _nothing(why: str) -> Scope:
    return Scope({}, Judged(None, missing=why), why)


def _rank(rank: RankAnalysis, alone: bool) -> Scope:
    longest = max(rank.phases, key=lambda each: each.span_ns, default=None)
    of = "trace" if alone else rank.name

    def latency(kind: PhaseKind) -> Measured:
        steps = next((each.step_ns for each in rank.phases if each.kind is kind), None)
        return _step(steps, f"no {kind} was found in the trace")

    return Scope(
        numbers={
            "ttft_ms": lambda: latency(PhaseKind.PREFILL),
            "tpot_ms": lambda: latency(PhaseKind.DECODE),
            "step_ms": lambda: _step(longest.step_ns if longest else None, "no steps were found in the trace"),
            "idle_ratio": lambda: _idle(rank.idle_ns, rank.span_ns),
            **{name: partial(_class_share, rank.shares, rank.verdict, name) for name in SHARES},
        },
        judged=Judged(rank.verdict, of),
        absent=_ABSENT,
        of=of,
    )


def _phase(found: PhaseAnalysis, rank: str) -> Scope:
    of = f"{rank}{found.name}"
    return Scope(
        numbers={
            "ms": lambda: _step(found.step_ns, ""),
            "idle_ratio": lambda: _idle(found.idle_ns, found.span_ns),
            **{name: partial(_class_share, found.shares, found.verdict, name) for name in SHARES},
        },
        judged=Judged(found.verdict, of),
        absent=_ABSENT,
        of=of,
    )


def _step(step: StepTime | None, missing: str) -> Measured:
    """The usual step as it was traced. Its interval is that of the median, so another run's is wider by sqrt(2)."""
    if step is None:
        return Measured(None, missing=missing)
    middle, low, high = (ns / 1e6 for ns in (step.median_ns, step.low_ns, step.high_ns))
    if step.steps < 2:
        return Measured(middle, note="one step was traced, so nothing tells how far steps differ")
    return Measured(middle, middle - 2**0.5 * (middle - low), middle + 2**0.5 * (high - middle), note="as traced")


def _idle(idle_ns: int, span_ns: int) -> Measured:
    return exactly(idle_ns / span_ns if span_ns else None, "nothing ran on the device")


def _class_share(shares: Sequence[Share], verdict: Verdict, name: str) -> Measured:
    own = [share for share in shares if share.class_ is SHARES[name]]
    if not own:
        return Measured(None, missing=verdict.evidence[0] if verdict.evidence else "it could not be judged")
    total = sum(share.share for share in own)
    return Measured(total, sum(share.low for share in own), sum(share.high for share in own))
