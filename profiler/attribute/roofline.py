"""Where kernels stand beneath the roofline of their device (Williams, Waterman, Patterson 2009).

The roof over a kernel is what its bytes would take at the bandwidth, or its FLOPs on the matrix units, whichever is
longer. How far below it stays is told beside what limits it, which a roofline alone does not know: a kernel of few
microseconds is under the roof of the memory and waits for neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from profiler.attribute.kernel_groups import KernelGroup
from profiler.report.evidence import Peaks
from profiler.report.roofline import KernelRoofline
from profiler.report.source import Source, Sources
from profiler.report.vocabulary import Resource

Value = TypeVar("Value")

_NO_WORK = "what it moves and computes is not known"
_NO_BANDWIDTH = "the bandwidth of the device is not known"
_NO_GEMM = "what the matrix units reach in its number format is not known"
_NO_VECTOR = "it leaves the matrix units alone, and what other units reach is not known"
_NO_TIME = "it took no time"
_NO_BYTES = "it moves no bytes"
_NO_INPUTS = "the trace has no shapes of its operation"
_NO_OPERATION = "no operation ran around its launch"
_NO_GRID = "the trace does not say"


def rooflines(groups: Sequence[KernelGroup], peaks: Peaks, span_ns: int) -> list[KernelRoofline]:
    """The groups beneath the ceilings of their device, in their order."""
    return [_roofline(group, peaks, span_ns) for group in groups]


def _roofline(group: KernelGroup, peaks: Peaks, span_ns: int) -> KernelRoofline:
    flops, moved, seconds = group.flops, group.bytes, group.sum_ns / 1e9
    uses_matrix_units = group.facts.uses_matrix_units
    gemm = group.facts.tensor_flops_per_s if uses_matrix_units else None
    hidden = None if group.why_unknown is None else f"it is one of those {group.why_unknown}"
    no_work = hidden or _NO_WORK
    no_gemm = no_work if flops is None else _NO_GEMM if uses_matrix_units else _NO_VECTOR
    roof, roof_s, no_roof = _roof(group, peaks, no_work)
    sources: Sources = {}

    def told(field: str, value: Value | None, missing: str) -> Value | None:
        if value is None:
            sources[field] = Source(missing=missing)
        return value

    per_byte = flops / moved if flops is not None and moved else None
    return KernelRoofline(
        name=group.name,
        operation=told("operation", group.operation, hidden or _NO_OPERATION),
        shapes=told("shapes", group.shapes, hidden or _NO_INPUTS),
        grid=told("grid", group.grid, _NO_GRID),
        calls=group.calls,
        ns=group.own_ns,
        sum_ns=group.sum_ns,
        fraction=group.own_ns / span_ns if span_ns else 0.0,
        flops=told("flops", flops, no_work),
        bytes=told("bytes", moved, no_work),
        flops_per_byte=told("flops_per_byte", per_byte, _NO_BYTES if moved == 0 else no_work),
        flops_per_s=told("flops_per_s", _rate(flops, seconds), no_work if flops is None else _NO_TIME),
        bytes_per_s=told("bytes_per_s", _rate(moved, seconds), no_work if moved is None else _NO_TIME),
        ceiling_flops_per_s=told("ceiling_flops_per_s", gemm, no_gemm),
        ceiling_bytes_per_s=told("ceiling_bytes_per_s", peaks.dram_bytes_per_s, _NO_BANDWIDTH),
        roof=told("roof", roof, no_roof),
        roof_ratio=told("roof_ratio", _rate(roof_s, seconds), no_roof or _NO_TIME),
        limiter=told("limiter", group.limiter, no_work if peaks.dram_bytes_per_s else _NO_BANDWIDTH),
        sources=sources,
    )


def _roof(group: KernelGroup, peaks: Peaks, no_work: str) -> tuple[Resource | None, float | None, str]:
    """Which ceiling bounds a kernel and the seconds that its runs would take there, or else why that is not known."""
    if group.flops is None or group.bytes is None:
        return None, None, no_work
    if not peaks.dram_bytes_per_s:
        return None, None, _NO_BANDWIDTH
    memory_s = group.bytes / peaks.dram_bytes_per_s
    if not group.facts.uses_matrix_units or not group.flops:
        return Resource.DRAM, memory_s, ""
    if not group.facts.tensor_flops_per_s:
        return None, None, _NO_GEMM
    tensor_s = group.flops / group.facts.tensor_flops_per_s
    return (Resource.TENSOR, tensor_s, "") if tensor_s > memory_s else (Resource.DRAM, memory_s, "")


def _rate(amount: float | None, seconds: float) -> float | None:
    return amount / seconds if amount is not None and seconds > 0 else None
