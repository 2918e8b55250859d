"""Where the kernels of a trace stand beneath the ceilings of its device."""

from __future__ import annotations

from msgspec import Struct, field

from profiler.report.source import Sources
from profiler.report.vocabulary import Resource


class KernelRoofline(Struct, frozen=True, kw_only=True):
    """All runs of one kernel for the same shapes and with the same grid. `sources` says why a number is null."""

    name: str
    operation: str | None
    shapes: str | None
    grid: list[int] | None
    calls: int
    ns: int
    sum_ns: int
    fraction: float
    flops: float | None
    bytes: float | None
    flops_per_byte: float | None
    flops_per_s: float | None
    bytes_per_s: float | None
    ceiling_flops_per_s: float | None
    ceiling_bytes_per_s: float | None
    roof: Resource | None
    roof_ratio: float | None
    limiter: Resource | None
    sources: Sources = field(default_factory=dict)
