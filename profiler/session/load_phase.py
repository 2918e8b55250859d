"""The load phase: the legs of getting a model into its place, judged like any other phase."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.attribute.shares import STEP, class_shares, share_records
from profiler.attribute.verdict import judge, refuse
from profiler.report.records import Clean, Distribution, LoadLeg, Part, Phase, Source, Verdict
from profiler.report.vocabulary import Cause, Resource, Tier

_LEGS = {
    "disk": (Resource.DISK, Cause.IO_DISK),
    "host": (Resource.HOST, Cause.SCHEDULING_HOST),
    "device": (Resource.PCIE, Cause.IO_H2D),
}
_NOT_RUN = "loading runs no kernels that are traced"
_MISSING = (
    *("tokens", "context_tokens", "tokens_per_s", "ideal_ms", "mfu", "mbu", "flops", "bytes"),
    *("weights_gb_per_s", "kv_cache_gb_per_s", "joules_per_token", "streams", "timeline", "telemetry"),
)


def load_phase(legs: Sequence[LoadLeg], *, throttled: bool = False) -> Phase:
    """The record of the load. The legs follow one another, so each one's share is its part of the time."""
    measured = [leg for leg in legs if leg.seconds is not None and leg.leg in _LEGS]
    total_ms = sum(leg.seconds or 0.0 for leg in measured) * 1e3
    parts = [
        Part(
            class_=_LEGS[leg.leg][1].bottleneck_class,
            cause=_LEGS[leg.leg][1],
            ms=(leg.seconds or 0.0) * 1e3,
            fraction=(leg.seconds or 0.0) * 1e3 / total_ms if total_ms else 0.0,
            tier=Tier.HOST,
        )
        for leg in measured
    ]
    shares = dict.fromkeys(Resource, 0.0)
    for leg, part in zip(measured, parts, strict=True):
        shares[_LEGS[leg.leg][0]] += part.fraction
    records = share_records([shares], STEP)
    verdict: Verdict = refuse("nothing of the load was timed")
    if total_ms > 0:
        evidence = [
            f"the {leg.leg} leg takes {leg.seconds:.3g} s" + (f" at {leg.gb_per_s:.3g} GB/s" if leg.gb_per_s else "")
            for leg in sorted(measured, key=lambda leg: -(leg.seconds or 0.0))
            if leg.seconds
        ]
        verdict = judge(class_shares([shares]), records, parts, evidence=evidence, throttled=throttled)
    return Phase(
        name="load",
        tokens=None,
        context_tokens=None,
        clean=Clean(
            wall_ms=Distribution(median=total_ms, low=None, high=None, samples=[total_ms]),
            gpu_ms=None,
            warmup_iterations=0,
            steady=True,
            sources={
                "wall_ms": Source(tier=Tier.HOST, note="a model is loaded once: one sample, no interval"),
                "gpu_ms": Source(missing=_NOT_RUN),
                "first_time_ms": Source(missing="a model is loaded once"),
            },
        ),
        tokens_per_s=None,
        ideal_ms=None,
        mfu=None,
        mbu=None,
        flops=None,
        bytes=None,
        weights_gb_per_s=None,
        kv_cache_gb_per_s=None,
        joules_per_token=None,
        parts=parts,
        shares=records,
        kernels=[],
        modules=[],
        copies=[],
        streams=None,
        timeline=None,
        telemetry=None,
        verdict=verdict,
        legs=list(legs),
        sources={name: Source(missing=_NOT_RUN) for name in _MISSING},
    )
