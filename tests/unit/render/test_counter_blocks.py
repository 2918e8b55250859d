from __future__ import annotations

from profiler.render.counter_blocks import counter_blocks
from profiler.render.document import Grid, Heading, Statement
from profiler.report.counters import Counters, CounterSeries


def counters(tensor: float | None) -> Counters:
    return Counters(
        iterations=39,
        samples=3683,
        sample_us=20.0,
        read_bytes=2.805e9,
        write_bytes=1.5e6,
        tensor_active_ratio=tensor,
        issue_active_ratio=0.02,
        pcie_read_bytes=2.3e5,
        pcie_write_bytes=None,
        explained_ratio=0.9997,
        marker_misfit=0.06,
        kernels=[],
        series=CounterSeries(start_us=[], read_gb_per_s=[], write_gb_per_s=[]),
    )


def test_what_was_counted_of_an_iteration_is_shown_with_how_well() -> None:
    heading, grid, statement = counter_blocks(counters(0.11))
    assert isinstance(heading, Heading)
    assert isinstance(grid, Grid)
    assert isinstance(statement, Statement)
    assert grid.rows[0] == ("DRAM read", "2.81 GB")
    assert ("matrix pipes active", "11%") in grid.rows
    assert "3,683 samples of 20.0 us" in statement.text


def test_a_counter_that_the_gpu_lacks_has_no_line() -> None:
    _, grid, _ = counter_blocks(counters(None))
    assert isinstance(grid, Grid)
    assert [row[0] for row in grid.rows] == ["DRAM read", "DRAM written", "instructions issued", "PCIe read by the GPU"]
