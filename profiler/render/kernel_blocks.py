"""What a phase ran: its slowest kernels, and which layers of the model asked for them."""

from __future__ import annotations

from collections.abc import Callable

from profiler.render.document import Block, Column, Footnotes, Grid, Heading, Statement, Tone
from profiler.render.kernel_name import short_kernel_name
from profiler.render.module_tree import grouped_modules
from profiler.render.numbers import aligned, count, number, percent, size
from profiler.report.records import Kernel, ModuleCost
from profiler.report.vocabulary import Resource

KERNELS = "Slowest kernels"

_KERNELS_SHOWN = 10
_LAYERS_SHOWN = 10
_SMALLEST_FRACTION = 0.005


def kernel_blocks(kernels: list[Kernel], notes: Footnotes) -> list[Block]:
    """The slowest kernels, one line each."""
    if not kernels:
        return []
    columns = (
        Column("kernel", flexible=True, shortest=22),
        Column("calls", numeric=True),
        Column("ms", numeric=True),
        Column("%", numeric=True),
        Column("limited by"),
        Column("DRAM", numeric=True, drop=2),
        Column("tensor", numeric=True, drop=3),
        Column("bytes", numeric=True, drop=4),
        Column("for", flexible=True, drop=1, shortest=16),
    )
    ranked = sorted(kernels, key=lambda kernel: -kernel.ms)
    rows = tuple(_kernel_row(kernel, ranked[0].ms, notes) for kernel in ranked[:_KERNELS_SHOWN])
    blocks: list[Block] = [Heading(KERNELS, 2), Grid(columns, rows)]
    if rest := ranked[_KERNELS_SHOWN:]:
        spent = sum(kernel.ms for kernel in rest)
        calls = sum(kernel.calls for kernel in rest)
        blocks.append(Statement(f"{len(rest)} more kinds: {number(spent)} ms in {count(calls)} calls.", Tone.FAINT))
    return blocks


def _kernel_row(kernel: Kernel, largest_ms: float, notes: Footnotes) -> tuple[str, ...]:
    def shown(value: float | None, name: str, form: Callable[[float], str]) -> str:
        if value is not None:
            return form(value)
        source = kernel.sources.get(name)
        return notes.missing(source.missing if source is not None else None)

    return (
        short_kernel_name(kernel.name),
        count(kernel.calls),
        aligned(kernel.ms, largest_ms),
        percent(kernel.fraction),
        limited_by(kernel),
        shown(kernel.dram_ratio, "dram_ratio", percent),
        shown(kernel.tensor_ratio, "tensor_ratio", percent),
        shown(kernel.bytes, "bytes", size),
        inside_layer(kernel.module) if kernel.module else kernel.operation or "",
    )


def limited_by(kernel: Kernel) -> str:
    """What limits it. One whose work nobody knows is judged as if it issued instructions: that is not told as found."""
    is_guess = kernel.limiter is Resource.ISSUE and kernel.bytes is None and kernel.flops is None
    return "not known" if is_guess else kernel.limiter.value


def inside_layer(module: str) -> str:
    """`mlp.down_proj` for `model.layers.*.mlp.down_proj`: the table of layers has the whole name."""
    return module.rpartition("*.")[2] or module


def module_blocks(modules: list[ModuleCost]) -> list[Block]:
    """The model's layers, equal ones taken together, most expensive first."""
    groups = [group for group in grouped_modules(modules) if group.fraction >= _SMALLEST_FRACTION]
    if not groups:
        return []
    rows = []
    for group in groups[:_LAYERS_SHOWN]:
        many = f" x{group.layers}" if group.layers > 1 else ""
        rest = " (the rest of it)" if group.rest else ""
        name = f"{group.name or 'the model'}{many}{rest}"
        rows.append((name, aligned(group.device_ms, groups[0].device_ms), percent(group.fraction)))
    columns = (Column("layer", flexible=True), Column("ms", numeric=True), Column("%", numeric=True))
    return [Heading("Which layers cost it", 2), Grid(columns, tuple(rows))]
