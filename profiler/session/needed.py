"""What an iteration needs, in which number format, and how much of that is known."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from msgspec import structs

from profiler.attribute.kernel_work import Floats, KernelWork
from profiler.attribute.rates import NeededWork, Rates, rates
from profiler.report.source import Source, Sources
from profiler.report.vocabulary import Tier
from profiler.session.bench import Bench, PhasePlan

_NO_TRACE = "the architecture is not known, and there is no trace whose operations could be summed"
_NO_FORMAT = "which number format the FLOPs are in is not known, so neither is their ceiling"
_NONE_KNOWN = "no operation whose shapes are known was traced"
_UNSAID = ("", "unknown")
_FIELDS = ("flops", "bytes")
_RATES = (("mfu", "flops"), ("mbu", "bytes"))


@dataclass(frozen=True, slots=True)
class Needed:
    """FLOPs and bytes of an iteration, with their sources, and the format of most of the FLOPs.

    `partly` says of sums over the traced operations, by field, how many kernels they leave out; nothing where none.
    """

    work: NeededWork
    dtype: str | None
    sources: Sources
    partly: dict[str, str]


def needed_of(plan: PhasePlan, work: KernelWork | None) -> Needed:
    """What the architecture says, else the sum over the traced operations."""
    dtype = plan.dtype if plan.dtype not in _UNSAID else None
    if plan.needed is not None:
        amounts = {"flops": plan.needed.flops, "bytes": plan.needed.bytes}
        return Needed(plan.needed, dtype, {n: _source(a, plan.needed_note) for n, a in amounts.items()}, {})
    if work is None:
        return Needed(NeededWork(None, None, None), dtype, dict.fromkeys(_FIELDS, Source(missing=_NO_TRACE)), {})
    sources, partly, sums = {}, {}, {}
    for name in _FIELDS:
        column: Floats = getattr(work, name)
        known = column[~np.isnan(column)]
        sums[name] = float(known.sum()) if len(known) else None
        note = plan.needed_note
        if len(known) < len(column):
            partly[name] = f"known for {len(known):,} of {len(column):,} kernels and copies"
            note = f"{note}; {partly[name]}"
        sources[name] = Source(missing=_NONE_KNOWN) if sums[name] is None else Source(tier=Tier.ANALYTIC, note=note)
    summed = NeededWork(sums["flops"], None, None, sums["bytes"])
    return Needed(summed, dtype or _number_format(work), sources, partly)


def rates_of(bench: Bench, plan: PhasePlan, wall_ms: float, work: KernelWork | None) -> Rates:
    """The rates of an iteration that takes `wall_ms`."""
    needed = needed_of(plan, work)
    reasons = {"no_gemm_ceiling": _NO_FORMAT} if needed.dtype is None else {}
    for name, source in needed.sources.items():
        if source.missing:
            reasons[f"no_{name}"] = source.missing
    found = rates(
        needed.work,
        wall_ms,
        flops_per_s=bench.ceiling(f"gemm.{needed.dtype}"),
        bytes_per_s=bench.ceiling("read"),
        **reasons,
    )
    for rate, name in _RATES:
        source = found.sources[rate]
        if source.missing is None and name in needed.partly:
            found.sources[rate] = structs.replace(source, note=f"{source.note}; {name} {needed.partly[name]}")
    return found


def _source(amount: float | None, note: str) -> Source:
    return Source(missing=note) if amount is None else Source(tier=Tier.ANALYTIC, note=note)


def _number_format(work: KernelWork) -> str | None:
    """The format that most of the FLOPs are computed in."""
    flops: dict[str, float] = defaultdict(float)
    for data_type, amount in zip(work.data_type, work.flops.tolist(), strict=True):
        if data_type is not None and amount > 0:  # not NaN either
            flops[data_type] += amount
    return max(flops, key=lambda data_type: flops[data_type], default=None)
