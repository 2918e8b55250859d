"""The verdict: the class whose resources have the largest share, how sure that is, and why.

`clear` when the leader's interval lies above the runner-up's, `inconclusive` when the two overlap, `refused` when the
evidence cannot carry a verdict at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiler.report.records import Part, Share, Verdict
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, VerdictState

ClassShares = Mapping[BottleneckClass, float]

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
    known_ratio: float = 1.0,
    throttled: bool = False,
) -> Verdict:
    """The verdict of a phase from the class shares of each scenario (the first is the best reading).

    `known_ratio` is the part of the time whose cause rests on something known; it bounds the confidence.
    """
    best = by_scenario[0]
    ranked = sorted(best, key=lambda klass: -best[klass])
    leader, runner_up = ranked[0], ranked[1]
    low, high = _interval(by_scenario, leader)
    _, runner_up_high = _interval(by_scenario, runner_up)
    led = sum(max(shares_, key=lambda klass: shares_[klass]) is leader for shares_ in by_scenario)
    return Verdict(
        class_=leader,
        cause=leading_cause(leader, shares, parts),
        share=best[leader],
        low=low,
        high=high,
        runner_up=runner_up,
        runner_up_share=best[runner_up],
        state=VerdictState.CLEAR if low > runner_up_high else VerdictState.INCONCLUSIVE,
        throttled=throttled,
        confidence=led / len(by_scenario) * known_ratio,
        evidence=list(evidence),
    )


def refuse(reason: str, *, throttled: bool = False) -> Verdict:
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
        evidence=[reason],
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
    usable = [phase for phase in phases if phase[2].state is not VerdictState.REFUSED and phase[1] > 0]
    if not usable:
        return refuse("no phase of the request could be judged")
    total = sum(milliseconds for _, milliseconds, _, _ in usable)
    weights = [milliseconds / total for _, milliseconds, _, _ in usable]
    value = dict.fromkeys(BottleneckClass, 0.0)
    spread = dict.fromkeys(BottleneckClass, 0.0)
    upper = dict.fromkeys(BottleneckClass, 0.0)
    for weight, (_, _, _, shares) in zip(weights, usable, strict=True):
        for share in shares:
            value[share.class_] += weight * share.share
            spread[share.class_] += weight * share.low
            upper[share.class_] += weight * share.high
    ranked = sorted(value, key=lambda klass: -value[klass])
    leader, runner_up = ranked[0], ranked[1]
    weight, (name, _, longest, _) = max(zip(weights, usable, strict=True), key=lambda item: item[0])
    causes = [
        v.cause
        for _, (_, _, v, _) in sorted(zip(weights, usable, strict=True), key=lambda i: -i[0])
        if v.class_ is leader
    ]
    evidence = [f"{name} takes {weight:.0%} of the request"] if len(usable) > 1 else []
    confidences = [v.confidence for _, _, v, _ in usable if v.confidence is not None]
    return Verdict(
        class_=leader,
        cause=causes[0] if causes else None,
        share=value[leader],
        low=spread[leader],
        high=upper[leader],
        runner_up=runner_up,
        runner_up_share=value[runner_up],
        state=VerdictState.CLEAR if spread[leader] > upper[runner_up] else VerdictState.INCONCLUSIVE,
        throttled=any(v.throttled for _, _, v, _ in usable),
        confidence=min(confidences, default=None),
        evidence=[*evidence, *longest.evidence],
    )


def _interval(by_scenario: Sequence[ClassShares], klass: BottleneckClass) -> tuple[float, float]:
    values = [shares[klass] for shares in by_scenario]
    return min(values), max(values)
