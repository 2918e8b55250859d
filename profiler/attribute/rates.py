"""What a phase achieved against what the ceilings allow: MFU, MBU, the ideal time, GB/s by kind of byte."""

from __future__ import annotations

from msgspec import Struct

from profiler.report.source import Source, Sources
from profiler.report.vocabulary import Tier

_NO_TIME = "the iteration took no time that could be measured"
_NO_READ_CEILING = "the read ceiling was not measured on this device"
_NO_KIND = "which bytes are weights and which are KV cache is known for architectures only"


class NeededWork(Struct, frozen=True):
    """FLOPs and bytes of one iteration, from shapes alone. `None` where the architecture does not say."""

    flops: float | None
    weight_bytes: float | None
    kv_bytes: float | None
    activation_bytes: float | None = None

    @property
    def bytes(self) -> float | None:
        """All bytes that are known to be needed."""
        known = [part for part in (self.weight_bytes, self.kv_bytes, self.activation_bytes) if part is not None]
        return sum(known) if known else None


class Rates(Struct, frozen=True):
    """Rates of one phase; a missing one is None and `sources` says why."""

    ideal_ms: float | None
    mfu: float | None
    mbu: float | None
    weights_gb_per_s: float | None
    kv_cache_gb_per_s: float | None
    sources: Sources


def rates(
    work: NeededWork,
    wall_ms: float,
    *,
    flops_per_s: float | None,
    bytes_per_s: float | None,
    no_flops: str = "its FLOPs are not known",
    no_bytes: str = "its bytes are not known",
    no_gemm_ceiling: str = "the GEMM ceiling was not measured on this device",
) -> Rates:
    """Rates of an iteration of `wall_ms`.

    MFU is FLOPs over what the measured GEMM ceiling allows in that time, MBU bytes over what the measured read ceiling
    allows (MFU as in PaLM, arXiv 2204.02311, but against the measured ceiling; MBU is its counterpart for bytes). The
    ideal time is the larger of the two times at the ceilings: memory and matrix units can work at once. The last three
    say why FLOPs, bytes or the GEMM ceiling are None, where they are.
    """
    seconds = wall_ms / 1e3
    sources: Sources = {}

    def ratio(
        name: str, amount: float | None, ceiling: float | None, what: str, no_amount: str, no_ceiling: str
    ) -> float | None:
        if amount is None:
            sources[name] = Source(missing=no_amount)
            return None
        if seconds <= 0:
            sources[name] = Source(missing=_NO_TIME)
            return None
        if not ceiling:
            sources[name] = Source(missing=no_ceiling)
            return None
        sources[name] = Source(tier=Tier.ANALYTIC, note=f"of the measured {what} ceiling")
        return amount / ceiling / seconds

    mfu = ratio("mfu", work.flops, flops_per_s, "GEMM", no_flops, no_gemm_ceiling)
    mbu = ratio("mbu", work.bytes, bytes_per_s, "read", no_bytes, _NO_READ_CEILING)
    ideal = None if mfu is None or mbu is None else max(mfu, mbu) * wall_ms
    sources["ideal_ms"] = (
        Source(tier=Tier.ANALYTIC, note="the larger of FLOPs and bytes at their measured ceilings")
        if ideal is not None
        else Source(missing=(sources["mfu"].missing or sources["mbu"].missing))
    )

    def speed(name: str, amount: float | None) -> float | None:
        if amount is None or seconds <= 0:
            sources[name] = Source(missing=_NO_KIND if amount is None else _NO_TIME)
            return None
        sources[name] = Source(tier=Tier.ANALYTIC)
        return amount / seconds / 1e9

    return Rates(
        ideal_ms=ideal,
        mfu=mfu,
        mbu=mbu,
        weights_gb_per_s=speed("weights_gb_per_s", work.weight_bytes),
        kv_cache_gb_per_s=speed("kv_cache_gb_per_s", work.kv_bytes),
        sources=sources,
    )
