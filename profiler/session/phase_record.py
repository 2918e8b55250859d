"""What was measured of a phase, as its record in the report."""

from __future__ import annotations

from msgspec.structs import replace

from profiler.attribute.bytes_in_doubt import doubt_memory
from profiler.attribute.verdict import refuse
from profiler.report.records import Clean, Phase
from profiler.report.source import Source
from profiler.report.telemetry import Telemetry
from profiler.report.vocabulary import Tier
from profiler.session.bench import Bench, PhasePlan
from profiler.session.counted_phase import NOT_ASKED, CountedPhase
from profiler.session.cross_checks import cross_check, dram_traffic, energy_per_token, is_throttled
from profiler.session.judged_trace import JudgedTrace
from profiler.session.needed import needed_of, rates_of


def phase_record(
    bench: Bench,
    plan: PhasePlan,
    clean: Clean,
    telemetry: Telemetry | None,
    traced: JudgedTrace | None,
    refusal: str | None,
) -> Phase:
    """The record of a phase as far as it was measured; `refusal` says why there is no verdict, if there is none."""
    shape = plan.phase.shape
    tokens = None if shape is None else shape.batch_size * shape.query_tokens
    wall_ms = clean.wall_ms.median
    work = traced.work if traced else None
    found = rates_of(bench, plan, wall_ms, work)
    judgement = traced.judgement if traced else None
    needed = needed_of(plan, work)
    joules, joules_source = energy_per_token(telemetry, tokens)
    sources = {
        **found.sources,
        **needed.sources,
        "tokens_per_s": Source(tier=Tier.HOST, note="tokens of the batch over the clean median")
        if tokens
        else Source(missing="the phase does not say how many tokens an iteration makes"),
        "joules_per_token": joules_source,
    }
    for name, absent in (("tokens", tokens is None), ("context_tokens", shape is None)):
        if absent:
            sources[name] = Source(missing="the phase does not say its size")
    if traced is None or traced.streams is None:
        sources["streams"] = Source(missing=refusal or "a CPU has no streams")
    if judgement is None:
        sources["timeline"] = Source(missing=refusal or "no trace")
    counted = traced.counted if traced else CountedPhase(missing=refusal or NOT_ASKED)
    if counted.counted is None:
        sources["counters"] = Source(missing=counted.missing)
    if telemetry is None:
        sources["telemetry"] = Source(missing=refusal or "the iterations ended before telemetry had its second")
    record = Phase(
        name=plan.phase.name,
        tokens=tokens,
        context_tokens=None if shape is None else shape.context_tokens,
        clean=clean,
        tokens_per_s=tokens / wall_ms * 1e3 if tokens and wall_ms > 0 else None,
        ideal_ms=found.ideal_ms,
        mfu=found.mfu,
        mbu=found.mbu,
        flops=needed.work.flops,
        bytes=needed.work.bytes,
        weights_gb_per_s=found.weights_gb_per_s,
        kv_cache_gb_per_s=found.kv_cache_gb_per_s,
        joules_per_token=joules,
        parts=judgement.parts if judgement else [],
        shares=judgement.shares if judgement else [],
        kernels=judgement.kernels if judgement else [],
        modules=judgement.modules if judgement else [],
        copies=traced.copies if traced else [],
        streams=traced.streams if traced else None,
        timeline=judgement.timeline if judgement else None,
        telemetry=telemetry,
        counters=counted.record(),
        verdict=judgement.verdict
        if judgement
        else refuse(refusal or "there is no trace", throttled=is_throttled(telemetry)),
        warnings=[*(traced.warnings if traced else []), *(judgement.warnings if judgement else [])],
        sources=sources,
        curves=judgement.curves if judgement else [],
    )
    l2_bytes = bench.device.properties.l2_bytes
    warnings = cross_check(record, work, l2_bytes)
    said = {warning.code for warning in warnings}
    verdict, shares = record.verdict, record.shares
    # An independent witness says otherwise: of the idle time, on which every part rests, or of the bytes.
    if verdict.confidence is not None and "idle_disagrees" in said:
        verdict = replace(verdict, confidence=verdict.confidence / 2)
    traffic = dram_traffic(record, work, l2_bytes)
    if traffic is not None and "dram_disagrees" in said:
        verdict, shares = doubt_memory(verdict, shares, traffic, bench.ceiling("read"), wall_ms)
    return replace(record, verdict=verdict, shares=shares, warnings=[*record.warnings, *warnings])
