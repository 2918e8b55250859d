"""What holds the requests of a live server back, as far as the outside and its metrics tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from profiler.attribute.verdict import refuse
from profiler.endpoint.phase_class import WITNESSES, PhaseClass
from profiler.numerals import percent
from profiler.report.endpoint import ClientHealth, EndpointPartName, PhaseClassFrom, ServerTimes
from profiler.report.records import Verdict
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState

# Closer than this, another run of the same load could turn the order.
TOO_CLOSE = 0.05
# Engines hold back a few blocks, and a new request needs room for its whole prompt: fuller than this is full.
KV_FULL_RATIO = 0.95
_PHASES = (EndpointPartName.PREFILL, EndpointPartName.DECODE)
_WORDS = {
    EndpointPartName.CLIENT: "waiting in the client",
    EndpointPartName.NETWORK: "the way there and back",
    EndpointPartName.QUEUE: "queue",
    EndpointPartName.PREFILL: "prefill",
    EndpointPartName.DECODE: "decode",
}


def endpoint_verdict(
    times: Mapping[EndpointPartName, int],
    client: ClientHealth,
    server: ServerTimes | None,
    how: str,
    phases: Mapping[str, PhaseClass],
    silent: Sequence[str] = (),
) -> tuple[EndpointPartName | None, Verdict]:
    """The part that leads, and the verdict. `times` is empty where no request ended well.

    A phase that leads is held back by what `phases` say of it; `silent` are witnesses that were asked and say nothing.
    """
    phase_verdicts = {name: phase.verdict for name, phase in phases.items()}
    whole = sum(times.values())
    if not times or whole <= 0:
        return None, refuse("no request ended well")
    (leader, share), (second, next_share), *_ = sorted(
        ((name, ns / whole) for name, ns in times.items()), key=lambda each: -each[1]
    )
    evidence = [
        "Of the time that requests take: "
        + ", ".join(f"{_WORDS[name]} {percent(ns / whole)}" for name, ns in times.items() if ns)
    ]
    if client.limited:
        told = "; ".join(client.reasons)
        return leader, refuse(f"the client was the bottleneck, not the server: {told}", *evidence)
    if leader is EndpointPartName.QUEUE:
        cause, why = _queue_cause(server)
        if how == "inferred":
            why.append("the queue is inferred: what first tokens took beyond those of an idle server")
        return leader, _judged(leader, cause, share, second, next_share, [*evidence, *why], phase_verdicts)
    phase = phases.get(leader.value)
    if leader not in _PHASES or phase is None:
        return leader, refuse(_unknown(leader, silent), *evidence)
    known = phase.verdict
    told = f"{leader.value.capitalize()} leads with {percent(share)} of the time that requests take, and"
    told += f" {WITNESSES[phase.told_by]} say{'' if phase.told_by is PhaseClassFrom.GPU else 's'} {known.class_}"
    why = [f"{told}: {known.evidence[0]}" if known.evidence else told]
    why += [] if phase.doubt is None else [phase.doubt]
    return leader, _judged(leader, known.cause, share, second, next_share, [*why, *evidence], phase_verdicts, known)


def of_survivors(verdict: Verdict, well: int, failed: int) -> Verdict:
    """The verdict on `well` requests that ended well, where `failed` did not, and all of their time may be in any part.

    It is in doubt where that could turn the order, and there is none where as many failed as ended well.
    """
    if not failed or verdict.share is None:
        return verdict
    lost = failed / (well + failed)
    told = f"{failed} of {well + failed} requests failed, and nothing says what held these back"
    if failed >= well:
        return refuse(told, *verdict.evidence)
    if (verdict.share - (verdict.runner_up_share or 0.0)) * (1 - lost) - lost < TOO_CLOSE:
        return replace(verdict, state=VerdictState.INCONCLUSIVE, evidence=[told, *verdict.evidence])
    return replace(verdict, evidence=[*verdict.evidence, told])


def leading_part(times: Mapping[EndpointPartName, int]) -> EndpointPartName | None:
    """The part that takes most; None where there is none."""
    return max(times, key=lambda name: times[name]) if times else None


def part_classes(
    leader_cause: Cause | None, phases: Mapping[str, PhaseClass]
) -> dict[EndpointPartName, BottleneckClass]:
    """The class that each part is laid to, where that is known."""
    cause = leader_cause if leader_cause in (Cause.SCHEDULING_QUEUE, Cause.MEMORY_CAPACITY) else Cause.SCHEDULING_QUEUE
    found = {EndpointPartName.QUEUE: cause.bottleneck_class}
    for part in _PHASES:
        phase = phases.get(part.value)
        if phase is not None and phase.verdict.class_ is not None:
            found[part] = phase.verdict.class_
    return found


def kv_cache_is_full(server: ServerTimes | None) -> bool:
    """Whether requests waited for the KV cache: it was full while some waited, or some were put out of it."""
    if server is None:
        return False
    return bool(server.preemptions) or (server.peak_kv_usage_waiting_ratio or 0.0) >= KV_FULL_RATIO


def _queue_cause(server: ServerTimes | None) -> tuple[Cause, list[str]]:
    if server is None:
        return Cause.SCHEDULING_QUEUE, ["nothing says whether the KV cache was full: there are no metrics of this load"]
    kv = server.peak_kv_usage_waiting_ratio
    filled = "" if kv is None else f"; the KV cache was up to {100 * kv:.3g}% full while requests waited"
    if kv_cache_is_full(server):
        return Cause.MEMORY_CAPACITY, [f"{server.preemptions or 0} requests were preempted{filled}"]
    if server.peak_waiting is None:
        return Cause.SCHEDULING_QUEUE, []
    return Cause.SCHEDULING_QUEUE, [
        f"up to {server.peak_waiting:.0f} waited, and up to {server.peak_running or 0:.0f} ran{filled}"
    ]


def _judged(
    leader: EndpointPartName,
    cause: Cause | None,
    share: float,
    second: EndpointPartName,
    next_share: float,
    evidence: list[str],
    phase_verdicts: Mapping[str, Verdict],
    known: Verdict | None = None,
) -> Verdict:
    rival = phase_verdicts.get(second.value)
    class_ = cause.bottleneck_class if cause is not None else known.class_ if known is not None else None
    state = VerdictState.CLEAR if known is None else known.state
    return Verdict(
        class_=class_,
        cause=cause,
        share=share,
        low=share,
        high=share,
        runner_up=BottleneckClass.SCHEDULING if second is EndpointPartName.QUEUE else rival.class_ if rival else None,
        runner_up_share=next_share,
        state=VerdictState.INCONCLUSIVE if share - next_share < TOO_CLOSE else state,
        throttled=known.throttled if known is not None else False,
        confidence=known.confidence if known is not None else None,
        evidence=evidence,
    )


def _unknown(leader: EndpointPartName, silent: Sequence[str]) -> str:
    if leader is EndpointPartName.CLIENT:
        why = "for room under --max-concurrency, or for its timers, which come up to a millisecond late"
        return f"requests waited most in the client: {why}"
    if leader is EndpointPartName.NETWORK:
        return "most of the time went between the client and the engine: the network, or the server's HTTP front end"
    phase = leader.value
    told = "; ".join(silent) or "--trace, --gpu or --costs with a report does"
    return f"{phase} leads, and nothing says what holds {phase} back: {told}"
