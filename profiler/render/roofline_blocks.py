"""Where the slowest kernels of a trace stand beneath the roofline, as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from profiler.render.document import Block, Bullets, Column, Footnotes, Grid, Heading, Statement, Tone
from profiler.render.kernel_name import short_kernel_name
from profiler.render.numbers import aligned, count, number, percent
from profiler.report.roofline import KernelRoofline
from profiler.report.vocabulary import Resource

_KERNELS_SHOWN = 10
_NS_PER_MS = 1e6
_ROOFS = {Resource.DRAM: "memory", Resource.TENSOR: "matrix units"}


class _Rate(Struct, frozen=True):
    """A column of a rate: what of it is one of its `unit`, and how soon it gives way to names."""

    header: str
    unit: float
    drop: int

    def told(self, value: float) -> str:
        """The value in the column's unit."""
        return number(value / self.unit)


_RATES = {
    "bytes_per_s": _Rate("GB/s", 1e9, 1),
    "flops_per_s": _Rate("TFLOP/s", 1e12, 2),
    "flops_per_byte": _Rate("FLOP/B", 1, 3),
}


def roofline_blocks(kernels: list[KernelRoofline]) -> list[Block]:
    """The slowest kernels, a line each, and why numbers are missing; rates that are known of none take no column."""
    if not kernels:
        return []
    shown = kernels[:_KERNELS_SHOWN]
    rates = [rate for rate in _RATES if any(getattr(kernel, rate) is not None for kernel in shown)]
    columns = (
        Column("kernel", flexible=True, shortest=18),
        Column("calls", numeric=True),
        Column("ms", numeric=True),
        Column("%", numeric=True),
        Column("of its roof", numeric=True),
        Column("limited by"),
        *(Column(_RATES[rate].header, numeric=True, drop=_RATES[rate].drop) for rate in rates),
        Column("for", flexible=True, drop=4, shortest=14),
    )
    notes = Footnotes()
    rows = tuple(_row(kernel, shown[0].ns / _NS_PER_MS, rates, notes) for kernel in shown)
    beneath = " beneath the roofline" if any(kernel.roof is not None for kernel in shown) else ""
    blocks: list[Block] = [Heading(f"Slowest kernels{beneath}", 2), Grid(columns, rows)]
    if rest := kernels[_KERNELS_SHOWN:]:
        spent = percent(sum(kernel.fraction for kernel in rest))
        blocks.append(Statement(f"The next {len(rest)} take {spent} of the span.", Tone.FAINT))
    if notes.reasons:
        blocks.append(Bullets(tuple(notes.reasons), mark="[{}]"))
    return blocks


def _row(kernel: KernelRoofline, largest_ms: float, rates: Sequence[str], notes: Footnotes) -> tuple[str, ...]:
    def shown(name: str, form: Callable[[float], str]) -> str:
        value = getattr(kernel, name)
        return form(value) if value is not None else notes.missing(_missing(kernel, name))

    roof = f" {_ROOFS[kernel.roof]}" if kernel.roof is not None else ""
    asked = " ".join(part for part in (kernel.operation, kernel.shapes) if part)
    return (
        short_kernel_name(kernel.name),
        count(kernel.calls),
        aligned(kernel.ns / _NS_PER_MS, largest_ms),
        percent(kernel.fraction),
        shown("roof_ratio", percent) + roof,
        shown("limiter", str),
        *(shown(rate, _RATES[rate].told) for rate in rates),
        asked,
    )


def _missing(kernel: KernelRoofline, name: str) -> str | None:
    source = kernel.sources.get(name)
    return source.missing if source is not None else None
