"""What hardware counters say of one iteration."""

from __future__ import annotations

from profiler.render.document import Block, Column, Grid, Heading, Statement, Tone
from profiler.render.numbers import count, number, percent, size
from profiler.report.counters import Counters


def counter_blocks(counters: Counters) -> list[Block]:
    """One line a counter; those that the GPU lacks are left out."""
    amounts = (
        ("DRAM read", counters.read_bytes, size),
        ("DRAM written", counters.write_bytes, size),
        ("matrix pipes active", counters.tensor_active_ratio, percent),
        ("instructions issued", counters.issue_active_ratio, percent),
        ("PCIe read by the GPU", counters.pcie_read_bytes, size),
        ("PCIe written by the GPU", counters.pcie_write_bytes, size),
    )
    rows = tuple((name, form(value)) for name, value, form in amounts if value is not None)
    every = f"{count(counters.samples)} samples of {number(counters.sample_us)} us"
    explained = f"The kernels account for {percent(counters.explained_ratio)} of the bytes read; {every}."
    return [
        Heading(f"Hardware counters, an iteration of {count(counters.iterations)}", 2),
        Grid((Column("counter", flexible=True), Column("an iteration", numeric=True)), rows),
        Statement(explained, Tone.FAINT),
    ]
