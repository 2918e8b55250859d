"""Where the slowest kernels of a trace stand beneath the roofline, as a table."""

from __future__ import annotations

from collections.abc import Callable

from profiler.render.document import Block, Bullets, Column, Footnotes, Grid, Heading, Statement, Tone
from profiler.render.kernel_name import short_kernel_name
from profiler.render.numbers import aligned, count, number, percent
from profiler.report.roofline import KernelRoofline
from profiler.report.vocabulary import Resource

_KERNELS_SHOWN = 10
_NS_PER_MS = 1e6
_ROOFS = {Resource.DRAM: "memory", Resource.TENSOR: "matrix units"}


def roofline_blocks(kernels: list[KernelRoofline]) -> list[Block]:
    """The slowest kernels, a line each, and why numbers are missing."""
    if not kernels:
        return []
    columns = (
        Column("kernel", flexible=True, shortest=18),
        Column("calls", numeric=True),
        Column("ms", numeric=True),
        Column("%", numeric=True),
        Column("of its roof", numeric=True),
        Column("limited by"),
        Column("GB/s", numeric=True, drop=1),
        Column("TFLOP/s", numeric=True, drop=2),
        Column("FLOP/B", numeric=True, drop=3),
        Column("for", flexible=True, drop=4, shortest=14),
    )
    notes = Footnotes()
    shown = kernels[:_KERNELS_SHOWN]
    rows = tuple(_row(kernel, shown[0].ns / _NS_PER_MS, notes) for kernel in shown)
    beneath = " beneath the roofline" if any(kernel.roof is not None for kernel in shown) else ""
    blocks: list[Block] = [Heading(f"Slowest kernels{beneath}", 2), Grid(columns, rows)]
    if rest := kernels[_KERNELS_SHOWN:]:
        spent = percent(sum(kernel.fraction for kernel in rest))
        blocks.append(Statement(f"The next {len(rest)} take {spent} of the span.", Tone.FAINT))
    if notes.reasons:
        blocks.append(Bullets(tuple(notes.reasons), mark="[{}]"))
    return blocks


def _row(kernel: KernelRoofline, largest_ms: float, notes: Footnotes) -> tuple[str, ...]:
    def shown(value: float | None, name: str, form: Callable[[float], str]) -> str:
        return form(value) if value is not None else notes.missing(_missing(kernel, name))

    roof = f" {_ROOFS[kernel.roof]}" if kernel.roof is not None else ""
    asked = " ".join(part for part in (kernel.operation, kernel.shapes) if part)
    return (
        short_kernel_name(kernel.name),
        count(kernel.calls),
        aligned(kernel.ns / _NS_PER_MS, largest_ms),
        percent(kernel.fraction),
        shown(kernel.roof_ratio, "roof_ratio", percent) + roof,
        kernel.limiter.value if kernel.limiter is not None else notes.missing(_missing(kernel, "limiter")),
        shown(kernel.bytes_per_s, "bytes_per_s", lambda rate: number(rate / 1e9)),
        shown(kernel.flops_per_s, "flops_per_s", lambda rate: number(rate / 1e12)),
        shown(kernel.flops_per_byte, "flops_per_byte", number),
        asked,
    )


def _missing(kernel: KernelRoofline, name: str) -> str | None:
    source = kernel.sources.get(name)
    return source.missing if source is not None else None
