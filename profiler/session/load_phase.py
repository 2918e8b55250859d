"""The load phase: the legs of getting a model into its place, judged like any other phase.

A model is loaded once, so its times are one sample each. Readings in which one leg took half or twice as long stand
where a repeated phase has its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiler.attribute.shares import STEP, Table, class_shares, share_records
from profiler.attribute.verdict import judge, refuse
from profiler.numerals import three_digits
from profiler.report.records import Clean, Distribution, LoadLeg, Part, Phase, Verdict
from profiler.report.source import Source
from profiler.report.vocabulary import Cause, Resource, Tier

_LEGS = {
    "disk": (Resource.DISK, Cause.IO_DISK),
    "host": (Resource.HOST, Cause.SCHEDULING_HOST),
    "device": (Resource.PCIE, Cause.IO_H2D),
}
# What one sample may be off by: of 0.3 to 0.8 s repeats of one host-bound phase on the virtual machines of H100s the
# slowest took up to 1.7 times as long as the fastest. A disk read from the page cache is another matter: that is no
# noise but another load, and cannot be told from here.
ONE_SAMPLE_FACTOR = 2.0
_ONCE = (
    f"a model is loaded once: one sample; the shares' intervals take each leg as up to {ONE_SAMPLE_FACTOR:g} times off"
)
_NOT_RUN = "loading runs no kernels that are traced"
_MISSING = (
    *("tokens", "context_tokens", "tokens_per_s", "ideal_ms", "mfu", "mbu", "flops", "bytes"),
    *("weights_gb_per_s", "kv_cache_gb_per_s", "joules_per_token", "streams", "timeline", "telemetry", "counters"),
)


def load_phase(legs: Sequence[LoadLeg], seconds: float | None = None, *, throttled: bool = False) -> Phase:
    """The record of the load, which took `seconds` in all (None: as long as its legs).

    The legs follow one another, so each one's share is its part of the time. What lies between them is the host's.
    """
    measured = {leg.leg: leg.seconds for leg in legs if leg.seconds is not None and leg.leg in _LEGS}
    between = max((seconds or 0.0) - sum(measured.values()), 0.0)
    took = {**measured, "host": measured.get("host", 0.0) + between} if between > 0 else measured
    total_ms = sum(took.values()) * 1e3
    parts = [
        Part(
            class_=_LEGS[leg][1].bottleneck_class,
            cause=_LEGS[leg][1],
            ms=spent * 1e3,
            fraction=spent * 1e3 / total_ms if total_ms else 0.0,
            tier=Tier.HOST,
            note=f"{between:.2g} s of it between the legs" if leg == "host" and between > 0 else None,
        )
        for leg, spent in took.items()
    ]
    table = _readings(took)
    records = share_records(table, STEP)
    verdict: Verdict = refuse("nothing of the load was timed")
    if total_ms > 0:
        evidence = [
            f"the {leg.leg} leg takes {three_digits(leg.seconds)} s"
            + (f" at {three_digits(leg.gb_per_s)} GB/s" if leg.gb_per_s else "")
            for leg in sorted(legs, key=lambda leg: -(leg.seconds or 0.0))
            if leg.seconds
        ]
        verdict = judge(class_shares(table), records, parts, evidence=evidence, throttled=throttled)
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
                "wall_ms": Source(tier=Tier.HOST, note=_ONCE),
                "gpu_ms": Source(missing=_NOT_RUN),
                **dict.fromkeys(
                    ("first_time_ms", "full_speed_ms", "host_slowdown", "host_dependence"),
                    Source(missing="a model is loaded once"),
                ),
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


def _readings(took: Mapping[str, float]) -> Table:
    """The shares as measured, then with each leg by itself at either end of what one sample may be off by."""
    off = [{leg: factor} for leg in took for factor in (1 / ONE_SAMPLE_FACTOR, ONE_SAMPLE_FACTOR)]
    table = []
    for factors in ({}, *off):
        times = {leg: spent * factors.get(leg, 1.0) for leg, spent in took.items()}
        total = sum(times.values())
        shares = dict.fromkeys(Resource, 0.0)
        for leg, spent in times.items():
            shares[_LEGS[leg][0]] += spent / total if total else 0.0
        table.append(shares)
    return table
