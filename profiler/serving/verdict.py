"""What holds the requests back: waiting, by its cause, or a phase, by what the cost report says of it."""

from __future__ import annotations

from collections.abc import Mapping

from profiler.attribute.verdict import refuse
from profiler.report.records import Verdict
from profiler.report.simulation import CarriedLoad, ServingPart, ServingPartName
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState

# Shares of a simulation have no interval of their own; closer than this, the costs' own errors could turn them.
_TOO_CLOSE = 0.05
# From here on a batch computes more for who has ended than for who has not.
_MOSTLY_HOLES = 0.5
# Waiting that takes less is not named where nothing is known of what takes more.
_WORTH_NAMING = 0.25
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
    parts: list[ServingPart],
    phase_verdicts: Mapping[str, Verdict],
    load: CarriedLoad,
    hole_ratio: float,
    evidence: list[str],
) -> Verdict:
    """The leader of waiting, prefill and decode.

    - Waiting: its largest cause; with doubt where the causes of another class take nearly as much as those of its own.
    - Decode by batches that are mostly holes: these.
    - Another phase: what `phase_verdicts`, those of the cost report, say of it. Where they say nothing, at least a
      quarter of waiting is named with doubt: it is all that is known; the phase may belong to any class. Else there is
      no verdict.
    """
    of = {part.part: part.fraction for part in parts}
    waiting, cause = sum(of[name] for name in of if name.is_waiting), Cause(waiting_cause(parts, load).value)
    phase = max(_PHASES, key=lambda name: of[name])
    known, share = phase_verdicts.get(phase.value), of[phase]
    close = abs(waiting - share) < _TOO_CLOSE
    rival = [f"{phase.value} takes {share:.0%}, and waiting {waiting:.0%}"] if close else []
    if waiting >= share:
        own, others = _by_class(of, cause.bottleneck_class)
        other = max(others, key=lambda klass: others[klass], default=None)
        if other is not None and own - others[other] < _TOO_CLOSE:
            torn = (
                f"of the waiting, causes of {cause.bottleneck_class} take {own:.0%}, and of {other} {others[other]:.0%}"
            )
            return _verdict(cause, waiting, [*evidence, torn, *rival], other, others[other], close=True, low=own)
        runner_up = None if known is None else known.class_
        return _verdict(cause, waiting, [*evidence, *rival], runner_up, share, close=close, low=own)
    if phase is ServingPartName.DECODE and hole_ratio > _MOSTLY_HOLES:
        holes = Cause.SCHEDULING_BATCH_HOLES
        return _verdict(holes, share, [*evidence, *rival], close=close, low=share * hole_ratio)
    if known is not None and known.class_ is not None:
        why = [*evidence, *known.evidence[:1], *rival]
        doubtful = close or known.state is not VerdictState.CLEAR
        rival_class = cause.bottleneck_class if waiting > _WORTH_NAMING else known.runner_up
        return _verdict(known.cause, share, why, rival_class, waiting, close=doubtful, of_class=known.class_)
    why = [
        *evidence,
        f"{phase.value} takes {share:.0%}, and nothing says what holds {phase.value} back (--costs would)",
    ]
    if waiting >= _WORTH_NAMING:
        return _verdict(cause, waiting, why, close=True, high=waiting + share)
    return refuse(*why)


def _by_class(of: Mapping[ServingPartName, float], own: BottleneckClass) -> tuple[float, dict[BottleneckClass, float]]:
    """What waiting by causes of one class takes, and what by those of each other."""
    found: dict[BottleneckClass, float] = {}
    for name, fraction in of.items():
        if name.is_waiting and fraction:
            klass = Cause(name.value).bottleneck_class
            found[klass] = found.get(klass, 0.0) + fraction
    return found.pop(own, 0.0), found


def part_class(name: ServingPartName, phase_verdicts: Mapping[str, Verdict]) -> BottleneckClass | None:
    """The class that a part is laid to; None for a phase of which nothing is known for certain."""
    if name.is_waiting:
        return Cause(name.value).bottleneck_class
    verdict = phase_verdicts.get(name.value)
    return verdict.class_ if verdict is not None and verdict.state is VerdictState.CLEAR else None


def _verdict(
    cause: Cause | None,
    share: float,
    evidence: list[str],
    runner_up: BottleneckClass | None = None,
    runner_up_share: float | None = None,
    *,
    close: bool = False,
    low: float | None = None,
    high: float | None = None,
    of_class: BottleneckClass | None = None,
) -> Verdict:
    return Verdict(
        class_=of_class if cause is None else cause.bottleneck_class,
        cause=cause,
        share=share,
        low=share if low is None else low,
        high=share if high is None else high,
        runner_up=runner_up,
        runner_up_share=runner_up_share if runner_up is not None else None,
        state=VerdictState.INCONCLUSIVE if close else VerdictState.CLEAR,
        throttled=False,
        confidence=None,
        evidence=evidence,
    )
