"""The verdict: the class whose resources have the largest share, how sure that is, and why.

`clear` when the leader's interval lies above those of all others, `inconclusive` when it overlaps with one, `refused`
when the evidence cannot carry a verdict at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from profiler.report.records import Part, Share, Verdict
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, VerdictState

ClassShares = Mapping[BottleneckClass, float]

# Two shares that differ by less are a tie. The same program on two cards differs by about as much in what it says of a
# share, because their clocks do (docs/accuracy.md, the hardware swap).
TIE = 0.1

# Causes through which each resource shows in the parts; the larger part among them names the cause.
CAUSES_OF_RESOURCE: dict[Resource, tuple[Cause, ...]] = {
    Resource.DRAM: (Cause.MEMORY_WEIGHTS, Cause.MEMORY_KV_CACHE, Cause.MEMORY_ACTIVATIONS, Cause.MEMORY_COPY),
    Resource.TENSOR: (Cause.COMPUTE_TENSOR,),
    Resource.ISSUE: (Cause.COMPUTE_ISSUE,),
    Resource.PCIE: (Cause.IO_H2D, Cause.IO_D2H),
    Resource.DISK: (Cause.IO_DISK, Cause.IO_INPUT),
    Resource.LINK: (Cause.IO_COLLECTIVE,),
    Resource.HOST: (Cause.SCHEDULING_HOST, Cause.SCHEDULING_SYNC),
    Resource.LATENCY: (
        Cause.SCHEDULING_SMALL_KERNELS,
        Cause.SCHEDULING_LAUNCH_GAP,
        Cause.SCHEDULING_STREAM_IMBALANCE,
    ),
}


def judge(
    by_scenario: Sequence[ClassShares],
    shares: Sequence[Share],
    parts: Sequence[Part],
    *,
    evidence: Sequence[str] = (),
    trust: float = 1.0,
    whole: bool = True,
    throttled: bool = False,
) -> Verdict:
    """The verdict of a phase from the class shares of each scenario (the first is the best reading).

    `trust`, 0 to 1, bounds the confidence: the part of the time whose cause rests on something known, times how far the
    trace agrees with the clean time. Parts that do not sum to the clean time (`whole` is false) make nothing clear.
    """
    best = by_scenario[0]
    leader, runner_up = _ranked(best)[:2]
    low, high = _interval(by_scenario, leader)
    others_high = max(_interval(by_scenario, klass)[1] for klass in best if klass is not leader)
    led = sum(_ranked(scenario)[0] is leader for scenario in by_scenario)
    return Verdict(
        class_=leader,
        cause=leading_cause(leader, shares, parts),
        share=best[leader],
        low=low,
        high=high,
        runner_up=runner_up,
        runner_up_share=best[runner_up],
        state=VerdictState.CLEAR if whole and low > others_high and is_apart(best) else VerdictState.INCONCLUSIVE,
        throttled=throttled,
        confidence=led / len(by_scenario) * min(max(trust, 0.0), 1.0),
        evidence=list(evidence),
    )


def trusted(verdict: Verdict, ratio: float) -> Verdict:
    """The same verdict, as sure as the part of the evidence that can be trusted."""
    if verdict.confidence is None:
        return verdict
    return structs.replace(verdict, confidence=verdict.confidence * ratio)


def is_apart(shares: ClassShares) -> bool:
    """Whether the first class is so far ahead of the second that they are no tie."""
    leader, runner_up = _ranked(shares)[:2]
    return shares[leader] - shares[runner_up] >= TIE


def nearest_rival(verdict: Verdict, by_scenario: Sequence[ClassShares]) -> Verdict:
    """The same inconclusive verdict, with the class that may have most of all others as its runner-up."""
    if verdict.state is not VerdictState.INCONCLUSIVE:
        return verdict
    others = (klass for klass in by_scenario[0] if klass is not verdict.class_)
    rival = max(others, key=lambda klass: _interval(by_scenario, klass)[1])
    return structs.replace(verdict, runner_up=rival, runner_up_share=by_scenario[0][rival])


def undermined(verdict: Verdict, reasons: Sequence[str]) -> Verdict:
    """The same verdict where something makes its numbers doubtful: it is not clear, says why, and is half as sure."""
    if not reasons or verdict.state is VerdictState.REFUSED:
        return verdict
    return structs.replace(
        verdict,
        state=VerdictState.INCONCLUSIVE,
        confidence=None if verdict.confidence is None else verdict.confidence / 2,
        evidence=[*reasons, *verdict.evidence],
    )


def refuse(*reasons: str, throttled: bool = False) -> Verdict:
    """No verdict, and why."""
    return Verdict(
        class_=None,
        cause=None,
        share=None,
        low=None,
        high=None,
        runner_up=None,
        runner_up_share=None,
        state=VerdictState.REFUSED,
        throttled=throttled,
        confidence=None,
        evidence=list(reasons),
    )


def leading_cause(leader: BottleneckClass, shares: Sequence[Share], parts: Sequence[Part]) -> Cause | None:
    """The largest part among the causes of the leading class's leading resource, else of the class."""
    own = [share for share in shares if share.class_ is leader]
    resource = max(own, key=lambda share: share.share).resource if own else None
    ms = {part.cause: part.ms for part in parts}
    for causes in (
        CAUSES_OF_RESOURCE[resource] if resource else (),
        tuple(c for c in ms if c.bottleneck_class is leader),
    ):
        present = [cause for cause in causes if cause in ms]
        if present:
            return max(present, key=lambda cause: ms[cause])
    return CAUSES_OF_RESOURCE[resource][0] if resource else None


def judge_request(phases: Sequence[tuple[str, float, Verdict, Sequence[Share]]]) -> Verdict:
    """The verdict of a request: phases (name, milliseconds in it, verdict, shares) weighed by the time they take.

    Shares are elasticities, so those of a sum of phases are their mean, weighed by time.
    """
    judged = [phase for phase in phases if phase[2].state is not VerdictState.REFUSED and phase[1] > 0]
    if not judged:
        reasons = dict.fromkeys(reason for _, _, verdict, _ in phases for reason in verdict.evidence)
        throttled = any(verdict.throttled for _, _, verdict, _ in phases)
        return refuse("no phase of the request could be judged", *reasons, throttled=throttled)
    judged.sort(key=lambda phase: -phase[1])
    unjudged_ms = sum(milliseconds for _, milliseconds, verdict, _ in phases if verdict.state is VerdictState.REFUSED)
    if unjudged_ms > judged[0][1]:
        return refuse(
            "the phase that takes most of the request could not be judged",
            throttled=any(verdict.throttled for _, _, verdict, _ in phases),
        )
    total = sum(milliseconds for _, milliseconds, _, _ in judged)
    value, low, high = (dict.fromkeys(BottleneckClass, 0.0) for _ in range(3))
    for _, milliseconds, _, shares in judged:
        for share in shares:
            value[share.class_] += milliseconds / total * share.share
            low[share.class_] += milliseconds / total * share.low
            high[share.class_] += milliseconds / total * share.high
    leader, runner_up = _ranked(value)[:2]
    name, milliseconds, longest, _ = judged[0]
    weight = [f"{name} takes {milliseconds / total:.0%} of the request"] if len(judged) > 1 else []
    verdicts = [verdict for _, _, verdict, _ in judged]
    clear = low[leader] > max(high[klass] for klass in BottleneckClass if klass is not leader)
    # What makes most of the request doubtful, or cannot be judged, makes it so.
    clear = clear and is_apart(value) and longest.state is VerdictState.CLEAR and unjudged_ms == 0
    return Verdict(
        class_=leader,
        cause=next((verdict.cause for verdict in verdicts if verdict.class_ is leader), None),
        share=value[leader],
        low=low[leader],
        high=high[leader],
        runner_up=runner_up,
        runner_up_share=value[runner_up],
        state=VerdictState.CLEAR if clear else VerdictState.INCONCLUSIVE,
        throttled=any(verdict.throttled for verdict in verdicts),
        confidence=min((verdict.confidence for verdict in verdicts if verdict.confidence is not None), default=None),
        evidence=[*weight, *longest.evidence],
    )


def _ranked(shares: ClassShares) -> list[BottleneckClass]:
    """Classes by share, the largest first."""
    return sorted(shares, key=lambda klass: -shares[klass])


def _interval(by_scenario: Sequence[ClassShares], klass: BottleneckClass) -> tuple[float, float]:
    values = [shares[klass] for shares in by_scenario]
    return min(values), max(values)
