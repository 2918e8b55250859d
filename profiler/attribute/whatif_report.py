"""A saved report at other speeds: every phase that keeps its evidence, and the request that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from profiler.attribute.curve import curves_of
from profiler.attribute.other_device import device_speeds
from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.step_evidence import StepEvidence
from profiler.attribute.timeline_record import restored
from profiler.attribute.whatif import BETWEEN_CARDS, Prediction, finite_share, predict
from profiler.catalogue.datasheet import Datasheet, find_datasheet
from profiler.errors import FailedError, UsageError
from profiler.report.command import without_files
from profiler.report.evidence import CleanTimes
from profiler.report.records import Phase, Report, ReportWarning
from profiler.report.source import Source, Sources
from profiler.report.vocabulary import Resource, VerdictState
from profiler.report.whatif import (
    Change,
    Estimate,
    Knob,
    NotPredicted,
    PhasePrediction,
    RequestPrediction,
    SpeedChange,
    WhatIf,
)

_TOO_OLD = "the report keeps no evidence: it is older than schema 1.1, the first with it"
_SLOWER = "a limit that nothing came near to was not seen: what gets slower may take longer than predicted"
# Two datasheets that round differently make no other speed.
_SAME_SPEED = 0.01


def what_if(
    report: Report,
    knobs: Mapping[Knob, float],
    *,
    target: Datasheet | None = None,
    phase: str | None = None,
    tool_version: str = "",
) -> WhatIf:
    """The report's phases (or the one of that name) with each knob so many times as fast.

    With `target`, on that device; a knob then counts instead of what the datasheets say. Without either, nothing
    changes and the curves of all knobs are given. Raises `UsageError` for a phase that the report does not have or a
    device that has no datasheet, `FailedError` for a report without evidence.
    """
    asked = _asked_phases(report, phase)
    changes, doubts = _changes(report, asked, knobs, target)
    speeds = {change.resource: change.factor for change in changes}
    moved = {resource for resource, factor in speeds.items() if abs(factor - 1) > _SAME_SPEED}
    turned = [knob for knob in Knob if moved.intersection(knob.resources)]
    predictions, refused = [], []
    for each in asked:
        evidence = _evidence(each)
        if isinstance(evidence, StepEvidence):
            spread = BETWEEN_CARDS if target is not None else 0.0
            predictions.append(predict_phase(each, evidence, speeds, turned or list(Knob), spread))
        else:
            refused.append(NotPredicted(name=each.name, reason=evidence))
    if not predictions and any(left_out.reason == _TOO_OLD for left_out in refused):
        raise FailedError(f"nothing can be predicted: {_TOO_OLD}", _profile_again(report))
    request = _request(report, predictions) if phase is None else f"only {phase} was asked for"
    if not isinstance(request, RequestPrediction):
        refused.append(NotPredicted(name="request", reason=request))
    return WhatIf(
        tool_version=tool_version,
        model=report.workload.model if report.workload is not None else None,
        device=report.environment.device,
        report_created_at=report.created_at,
        other_device=target.name if target is not None else None,
        speeds=changes,
        phases=predictions,
        request=request if isinstance(request, RequestPrediction) else None,
        not_predicted=refused,
        doubts=[*doubts, _SLOWER] if any(factor < 1 - _SAME_SPEED for factor in speeds.values()) else doubts,
        warnings=[warning for each in asked if _is_in(each, predictions) for warning in _warnings(each)],
    )


def predict_phase(
    phase: Phase,
    evidence: StepEvidence,
    speeds: Mapping[Resource, float],
    knobs: Sequence[Knob],
    spread: float = 0.0,
) -> PhasePrediction:
    """One phase at these speeds, and the curves of these knobs."""
    scenarios, _ = scenarios_of(evidence)
    clean = evidence.clean
    before, after = predict(scenarios, clean, {}), predict(scenarios, clean, speeds, spread)
    after = _with_doubtful_bytes(after, phase, before, clean, speeds)
    # What made the report's own verdict doubtful makes this one so.
    doubtful = phase.verdict.state is not VerdictState.CLEAR and before.leader.state is VerdictState.CLEAR
    leaders = [
        replace(found.leader, state=VerdictState.INCONCLUSIVE) if doubtful else found.leader
        for found in (before, after)
    ]
    time_ms = Change(measured=before.time, predicted=after.time)
    sources: Sources = {}
    if phase.tokens is None:
        sources["tokens_per_s"] = Source(missing="how many tokens an iteration has is not known")
    share = finite_share(after.speedup.value, speeds)
    if share is None:
        sources["finite_share"] = Source(missing="a share is that of one factor: several were asked for, or none")
    return PhasePrediction(
        name=phase.name,
        time_ms=time_ms,
        speedup=after.speedup,
        tokens_per_s=_rate(phase.tokens, time_ms) if phase.tokens is not None else None,
        finite_share=share,
        before=leaders[0],
        after=leaders[1],
        shares_after=after.shares,
        curves=curves_of(scenarios, clean.wall_ms, knobs),
        sources=sources,
    )


def _with_doubtful_bytes(
    after: Prediction, phase: Phase, before: Prediction, clean: CleanTimes, speeds: Mapping[Resource, float]
) -> Prediction:
    """With what memory may hold back beyond the readings, where a witness of the traffic widened its share.

    The driver saw more bytes than the shapes call for: as much of the gain may then be faster memory's.
    """
    factor = speeds.get(Resource.DRAM, 1.0)
    told = next((share.high for share in phase.shares if share.resource is Resource.DRAM), 0.0)
    read = next((share.high for share in before.shares if share.resource is Resource.DRAM), 0.0)
    if told <= read or factor <= 1 or after.low_ms is None or clean.low_ms is None:
        return after
    left = max(1 - told * (1 - 1 / factor), 1e-6)
    fastest = max(after.speedup.high or after.speedup.value, 1 / left)
    return replace(after, low_ms=min(after.low_ms, clean.low_ms * left), speedup=replace(after.speedup, high=fastest))


def _asked_phases(report: Report, name: str | None) -> list[Phase]:
    if not report.phases:
        raise FailedError("the report holds no phase: the run ended before one was measured", _profile_again(report))
    if name is None:
        return report.phases
    found = [phase for phase in report.phases if phase.name == name]
    if not found:
        names = ", ".join(phase.name for phase in report.phases)
        raise UsageError(f"the report has no phase {name}", f"--phase with one of: {names}")
    return found


def _changes(
    report: Report, phases: Sequence[Phase], knobs: Mapping[Knob, float], target: Datasheet | None
) -> tuple[list[SpeedChange], list[str]]:
    """The speeds that follow from the device, then those that were asked for in their place; and what is doubtful."""
    changes: dict[Resource, SpeedChange] = {}
    doubts: list[str] = []
    if target is not None:
        source = find_datasheet(report.environment.device)
        if source is None:
            raise UsageError(
                f"the report is from {report.environment.device}, which has no datasheet here to compare with",
                "give speeds instead, e.g. --memory 1.4 --compute 2",
            )
        found = device_speeds(
            source,
            target,
            dtype=report.workload.dtype if report.workload is not None else None,
            ceilings=report.ceilings.ceilings,
            pageable=_mostly_pageable(phases),
            needed_bytes=_needed_bytes(report),
        )
        changes = {change.resource: change for change in found.changes}
        doubts = found.doubts
    for knob, factor in knobs.items():
        for resource in knob.resources:
            changes[resource] = SpeedChange(resource=resource, factor=factor)
    return list(changes.values()), doubts


def _mostly_pageable(phases: Sequence[Phase]) -> bool:
    """Whether copies of pageable memory took most of the copies' time: nearly every step reads a few bytes back so."""
    times = [(copies.busy_ms, copies.memory == "pageable") for phase in phases for copies in phase.copies]
    return sum(ms for ms, pageable in times if pageable) > sum(ms for ms, pageable in times if not pageable)


def _needed_bytes(report: Report) -> float | None:
    """What weights and KV cache take in the device's memory at the end of a request."""
    ran = report.workload
    if ran is None or ran.offload != "none" or ran.weight_bytes is None or ran.kv_bytes_per_token is None:
        return None
    return ran.weight_bytes + ran.kv_bytes_per_token * ran.batch_size * (ran.prompt_tokens + ran.new_tokens)


def _evidence(phase: Phase) -> StepEvidence | str:
    """What a phase can be predicted from, or why it cannot."""
    if phase.name == "load":
        return "the legs of loading follow one another: each gains by its own time only"
    if phase.verdict.state is VerdictState.REFUSED:
        return f"it has no verdict: {'; '.join(phase.verdict.evidence) or 'the report does not say why'}"
    if phase.timeline is None:
        return "the report keeps no traced step of it"
    return restored(phase.timeline) or _TOO_OLD


def _rate(tokens: float, time_ms: Change) -> Change:
    """Tokens a second."""

    def inverse(time: Estimate) -> Estimate:
        low, high = (None if end is None or end <= 0 else tokens / end * 1e3 for end in (time.high, time.low))
        return Estimate(value=tokens / time.value * 1e3 if time.value > 0 else 0.0, low=low, high=high)

    return Change(measured=inverse(time_ms.measured), predicted=inverse(time_ms.predicted))


def _request(report: Report, predictions: Sequence[PhasePrediction]) -> RequestPrediction | str:
    """The request, or why it cannot be predicted."""
    ran, phases = report.workload, {phase.name: phase for phase in predictions}
    if ran is None:
        return "the phases were marked by hand: how a request is made of them is not known"
    lacking = [name for name in ("prefill", "decode") if name not in phases]
    if lacking:
        return f"it is one prefill and {ran.new_tokens - 1} decode steps, and there is no prediction of {lacking[0]}"
    prefill, decode, steps = phases["prefill"], phases["decode"], ran.new_tokens - 1
    e2e = Change(
        measured=_sum(prefill.time_ms.measured, decode.time_ms.measured, steps),
        predicted=_sum(prefill.time_ms.predicted, decode.time_ms.predicted, steps),
    )
    spent = [(prefill.time_ms.measured.value, prefill.speedup), (decode.time_ms.measured.value * steps, decode.speedup)]

    def faster(end: Callable[[Estimate], float | None]) -> float:
        return sum(ms for ms, _ in spent) / sum(ms / (end(speedup) or 1.0) for ms, speedup in spent)

    return RequestPrediction(
        new_tokens=ran.new_tokens,
        ttft_ms=prefill.time_ms,
        tpot_ms=decode.time_ms,
        e2e_ms=e2e,
        tokens_per_s=_rate(ran.batch_size * ran.new_tokens, e2e),
        speedup=Estimate(
            value=faster(lambda speedup: speedup.value),
            low=faster(lambda speedup: speedup.low),
            high=faster(lambda speedup: speedup.high),
        ),
    )


def _sum(prefill: Estimate, decode: Estimate, steps: int) -> Estimate:
    """Both may be at the same end of their intervals: they share a device and its luck."""

    def whole(first: float | None, each: float | None) -> float | None:
        return None if first is None or each is None else first + steps * each

    return Estimate(
        value=prefill.value + steps * decode.value,
        low=whole(prefill.low, decode.low),
        high=whole(prefill.high, decode.high),
    )


def _is_in(phase: Phase, predictions: Sequence[PhasePrediction]) -> bool:
    return any(prediction.name == phase.name for prediction in predictions)


def _warnings(phase: Phase) -> list[ReportWarning]:
    return [replace(warning, phase=warning.phase or phase.name) for warning in phase.warnings]


def _profile_again(report: Report) -> str:
    command = report.workload.command if report.workload is not None else None
    # Without its files: it would replace the old report, or stop because that exists.
    again = f": {without_files(command)}" if command else " with this version"
    return f"profile again{again}, with -o and a new name"
