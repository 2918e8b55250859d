"""What holds the requests back: waiting, by its cause, or a phase, by what the cost report says of it."""

from __future__ import annotations

from collections.abc import Mapping

from profiler.report.records import Verdict
from profiler.report.simulation import CarriedLoad, ServingPart, ServingPartName
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState

# Shares of a simulation have no interval of their own; closer than this, the costs' own errors could turn them.
_TOO_CLOSE = 0.05
_PHASES = (ServingPartName.PREFILL, ServingPartName.DECODE)


def waiting_cause(parts: list[ServingPart], load: CarriedLoad) -> ServingPartName:
    """The cause that takes most of the waiting.

    Where more comes than is carried, an order could only choose who waits: then blocking counts as queueing.
    """
    of = {part.part: part.fraction for part in parts if part.part.is_waiting}
    if load.diverges:
        of[ServingPartName.QUEUE] += of.pop(ServingPartName.HEAD_OF_LINE)
    return max(of, key=lambda name: of[name])


def serving_verdict(
    parts: list[ServingPart], phase_verdicts: Mapping[str, Verdict], load: CarriedLoad, evidence: list[str]
) -> Verdict:
    """The leader of waiting, prefill and decode; of waiting, the cause that takes most of it.

    A phase is held back by what `phase_verdicts`, those of the cost report, say of it. Where they say nothing, the
    verdict is refused if a phase leads.
    """
    of = {part.part: part.fraction for part in parts}
    waiting = sum(fraction for name, fraction in of.items() if name.is_waiting)
    sides = {"queue": waiting, **{name.value: of[name] for name in _PHASES}}
    (leader, share), (_, second), *_ = sorted(sides.items(), key=lambda side: -side[1])
    cause = waiting_cause(parts, load)
    phase = phase_verdicts.get(max(_PHASES, key=lambda name: of[name]).value)
    if leader != "queue":
        return _of_phase(
            leader, share, phase_verdicts.get(leader), cause if waiting == second else None, waiting, evidence
        )
    state = VerdictState.INCONCLUSIVE if share - second < _TOO_CLOSE else VerdictState.CLEAR
    return Verdict(
        class_=Cause(cause.value).bottleneck_class,
        cause=Cause(cause.value),
        share=share,
        low=share,
        high=share,
        runner_up=phase.class_ if phase is not None else None,
        runner_up_share=second,
        state=state,
        throttled=False,
        confidence=None,
        evidence=evidence,
    )


def part_class(name: ServingPartName, phase_verdicts: Mapping[str, Verdict]) -> BottleneckClass | None:
    """The class that a part is laid to; None for a phase of which nothing is known."""
    if name.is_waiting:
        return Cause(name.value).bottleneck_class
    verdict = phase_verdicts.get(name.value)
    return verdict.class_ if verdict is not None else None


def _of_phase(
    phase: str,
    share: float,
    verdict: Verdict | None,
    rival: ServingPartName | None,
    waiting: float,
    evidence: list[str],
) -> Verdict:
    if verdict is None or verdict.class_ is None:
        why = f"{phase} leads, and nothing says what holds {phase} back: that takes --costs with a report of the model"
        return Verdict(
            class_=None,
            cause=None,
            share=None,
            low=None,
            high=None,
            runner_up=None,
            runner_up_share=None,
            state=VerdictState.REFUSED,
            throttled=False,
            confidence=None,
            evidence=[*evidence, why],
        )
    state = verdict.state
    if rival is not None and share - waiting < _TOO_CLOSE:
        state = VerdictState.INCONCLUSIVE
    return Verdict(
        class_=verdict.class_,
        cause=verdict.cause,
        share=share,
        low=share,
        high=share,
        runner_up=Cause(rival.value).bottleneck_class if rival is not None else verdict.runner_up,
        runner_up_share=waiting if rival is not None else None,
        state=state,
        throttled=verdict.throttled,
        confidence=verdict.confidence,
        evidence=[*evidence, *verdict.evidence[:1]],
    )
