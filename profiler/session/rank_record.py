"""What was found of one rank, as its record."""

from __future__ import annotations

from profiler.attribute.recording_advice import for_findings, for_no_device
from profiler.attribute.traced_parts import TracedJudgement
from profiler.attribute.verdict import refuse
from profiler.report.analysis import IntegrityFinding, Overlap, RankAnalysis, StreamBusy
from profiler.report.source import Source, Sources
from profiler.report.vocabulary import Tier
from profiler.trace.accounting import Accounting
from profiler.trace.families import family_times
from profiler.trace.integrity import Finding, Severity
from profiler.trace.timeline import Ints, Timeline

_NO_DEVICE = "the trace shows no GPU at work"


def rank_record(
    name: str,
    device: str | None,
    told: Accounting,
    timeline: Timeline,
    own_ns: Ints,
    judged: TracedJudgement,
    findings: list[Finding],
    notes: list[str],
) -> RankAnalysis:
    """What was found of a rank whose device worked; `own_ns` is the exclusive time of each device row."""
    return RankAnalysis(
        name=name,
        device=device,
        span_ns=told.span_ns,
        busy_ns=told.busy_ns,
        idle_ns=told.idle_ns,
        kernel_ns=told.kernel_ns,
        parts=judged.parts,
        families=family_times(timeline, own_ns),
        streams=_streams(told),
        overlap=_overlap(told),
        integrity=[_finding(each) for each in findings],
        verdict=judged.verdict,
        shares=judged.shares,
        kernels=judged.kernels,
        advice=judged.advice,
        doubt=judged.doubt,
        notes=notes,
        sources={} if device else {"device": Source(missing="the trace does not name its device")},
    )


def rank_without_device(name: str, told: Accounting, findings: list[Finding]) -> RankAnalysis:
    """A trace in which no device shows: what is to be said of it is why there is no verdict."""
    fatal = [finding.message for finding in findings if finding.severity is Severity.FATAL]
    reasons = fatal or ["the trace shows no GPU at work: it was taken of a CPU, or without GPU activity"]
    return RankAnalysis(
        name=name,
        device=None,
        span_ns=0,
        busy_ns=0,
        idle_ns=0,
        kernel_ns=0,
        parts=[],
        families=[],
        streams=[],
        overlap=_overlap(told),
        integrity=[_finding(each) for each in findings],
        verdict=refuse(*reasons),
        shares=[],
        advice=for_findings(findings) or [for_no_device()],
        sources=dict.fromkeys(("device", "critical_path"), Source(missing=_NO_DEVICE)),
    )


def _streams(told: Accounting) -> list[StreamBusy]:
    return [
        StreamBusy(
            device=each.device, stream=each.stream, busy_ns=each.busy_ns, kernels=each.kernels, copies=each.copies
        )
        for each in told.streams
    ]


def _overlap(told: Accounting) -> Overlap:
    busy = [stream.busy_ns for stream in told.streams]
    sources: Sources = {}
    imbalance = None
    if len(busy) > 1 and max(busy) > 0:
        imbalance = 1 - sum(busy) / len(busy) / max(busy)
        sources["imbalance_ratio"] = Source(tier=Tier.TIMELINE)
    else:
        sources["imbalance_ratio"] = Source(missing="fewer than two streams were used")
    return Overlap(
        compute_ns=told.compute_ns,
        copy_ns=told.copy_ns,
        exposed_copy_ns=told.exposed_copy_ns,
        copy_compute_ns=told.copy_compute_ns,
        collective_ns=told.collective_ns,
        exposed_collective_ns=told.exposed_collective_ns,
        collective_compute_ns=told.collective_compute_ns,
        imbalance_ratio=imbalance,
        sources=sources,
    )


def _finding(finding: Finding) -> IntegrityFinding:
    effects = [finding.effect] if finding.effect else []
    if finding.severity is Severity.FATAL:
        effects.append("no verdict is given")
    elif finding.severity is Severity.WARNING and finding.lost_ratio:
        effects.append(f"the confidence of the verdict is {_part(finding.lost_ratio)} lower")
    elif finding.severity is Severity.NOTE:
        effects.append("none on the verdict")
    return IntegrityFinding(
        code=finding.code, message=finding.message, effect="; ".join(effects), count=finding.count, of=finding.of
    )


def _part(ratio: float) -> str:
    """`30%`; never the 0% that what is only little would be rounded to."""
    return f"{ratio:.0%}" if ratio >= 0.005 else "less than 1%"
