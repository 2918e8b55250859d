"""What is known of kernels is looked at once for all that are alike, and is each one's own all the same."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace

from profiler.attribute.activities import FactColumns
from profiler.attribute.fact_columns import fact_columns
from profiler.attribute.kernel_work import KernelWork, kernels_work
from profiler.trace.graph import DependencyGraph, build_graph
from profiler.trace.kineto import read_kineto
from profiler.trace.steps import cut, representative, steps_of
from profiler.trace.timeline import Timeline
from tests.unit.attribute.recorded_judgements import GEMM_FLOPS_PER_S
from tests.unit.attribute.recorded_steps import RECORDINGS


@cache
def traced() -> tuple[Timeline, DependencyGraph, KernelWork]:
    timeline = read_kineto(RECORDINGS / "decode_b1_eager.json.gz")
    chosen = representative(steps_of(timeline), timeline.overhead)
    step = cut(timeline, chosen)
    return step, build_graph(step, chosen.start_ns, chosen.end_ns), kernels_work(step)


def columns(step: Timeline | None = None, work: KernelWork | None = None) -> FactColumns:
    recorded, graph, known = traced()
    return fact_columns(step or recorded, graph, work or known, GEMM_FLOPS_PER_S)


def test_kernels_that_are_alike_share_what_is_known_of_them():
    found = columns()
    assert len(found.kernels) < len(found.kernel) / 5
    assert found.kernel.max() == len(found.kernels) - 1


def test_each_row_has_the_bytes_and_the_grid_of_its_own():
    step, graph, work = traced()
    found = columns()
    for row, kernel in zip(graph.source_row, found.kernel.tolist(), strict=True):
        facts, moved = found.kernels[kernel], float(work.bytes[row])
        assert facts.bytes == pytest.approx(moved) if facts.bytes is not None else np.isnan(moved)
        x, y, z = step.device.grid[row].tolist()
        assert facts.blocks == (x * y * z if x > 0 else None)


def test_what_differs_in_one_thing_alone_is_not_alike():
    step, graph, work = traced()
    before = columns()
    row = graph.source_row[int(np.flatnonzero(before.kernel == np.bincount(before.kernel).argmax())[0])]
    flops, registers = work.flops.copy(), step.device.registers.copy()
    flops[row], registers[row] = 12345.0, 99
    for after in (
        columns(work=replace(work, flops=flops)),
        columns(step=replace(step, device=replace(step.device, registers=registers))),
    ):
        assert len(after.kernels) == len(before.kernels) + 1
