"""What holds a phase of the server back, by all that told of it: the engine's trace, a report, the GPU's counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from profiler.report.endpoint import PhaseClassFrom
from profiler.report.records import Verdict
from profiler.report.vocabulary import VerdictState

# The trace is of this server under this load; a report is of the model alone; counters are of all that the GPU ran.
_ORDER = (PhaseClassFrom.TRACE, PhaseClassFrom.COSTS, PhaseClassFrom.GPU)
WITNESSES = {
    PhaseClassFrom.TRACE: "the engine's trace",
    PhaseClassFrom.COSTS: "the report of the model",
    PhaseClassFrom.GPU: "the GPU's counters",
}


@dataclass(frozen=True, slots=True)
class PhaseClass:
    """A phase's verdict, who told it, and what makes it doubtful, None where nothing does."""

    verdict: Verdict
    told_by: PhaseClassFrom
    doubt: str | None = None


def silent_witnesses(verdicts: Mapping[PhaseClassFrom, Verdict]) -> list[str]:
    """Why those that were asked have no class to name, each in a clause."""
    return [
        f"{WITNESSES[told_by]} cannot tell, as {verdict.evidence[0].rstrip('.') if verdict.evidence else 'it is empty'}"
        for told_by, verdict in verdicts.items()
        if verdict.class_ is None
    ]


def phase_class(phase: str, verdicts: Mapping[PhaseClassFrom, Verdict]) -> PhaseClass | None:
    """The verdict of the best witness that has a class; one that is sure of another class makes it inconclusive."""
    known = [(told_by, verdicts[told_by]) for told_by in _ORDER if told_by in verdicts]
    named = [(told_by, verdict) for told_by, verdict in known if verdict.class_ is not None]
    if not named:
        return None
    told_by, verdict = named[0]
    for other, rival in named[1:]:
        if rival.class_ is verdict.class_ or rival.state is not VerdictState.CLEAR:
            continue
        against = (
            f"{WITNESSES[told_by]} and {WITNESSES[other]} contradict one another on what holds {phase} back: "
            f"{verdict.class_} and {rival.class_}"
        )
        return PhaseClass(replace(verdict, state=VerdictState.INCONCLUSIVE), told_by, against)
    doubt = None if verdict.state is VerdictState.CLEAR else f"{WITNESSES[told_by]} cannot tell that for sure"
    return PhaseClass(verdict, told_by, doubt)
