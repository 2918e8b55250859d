"""What is known of each row of a traced step from its work and its launch, each distinct kernel looked at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from profiler.attribute.activities import FactColumns
from profiler.attribute.attention_tile import executed_ratio, rate_ratio
from profiler.attribute.kernel_work import KernelWork
from profiler.attribute.operation_work import Category
from profiler.report.evidence import KernelFacts
from profiler.report.vocabulary import Cause
from profiler.trace.graph import DependencyGraph
from profiler.trace.numbered import Numbered
from profiler.trace.timeline import Ints, Timeline

Number = TypeVar("Number", int, float)

# torch.special, and its functions of older names. Exponentials and the like cost the hardware a few instructions.
_SPECIAL_FUNCTION = re.compile(
    r"aten::(special_|lgamma|digamma|polygamma|erfinv|igamma|i0|mvlgamma|zeta|bessel|airy|ndtri)"
)


def fact_columns(
    step: Timeline,
    graph: DependencyGraph,
    work: KernelWork,
    gemm_flops_per_s: Mapping[str, float | None],
    compute_capability: tuple[int, int] | None = None,
) -> FactColumns:
    """The facts alone of the device rows of `graph`, in its order; rows that are alike share what is known of them.

    A row that a window clips is as long here as it was: its bytes and FLOPs are those of all of it.
    """
    rows, whole_ns = np.array(graph.source_row, np.int64), step.device.whole_ns
    alike = _numbered(_told(step, rows, work))
    first = np.zeros(alike.max(initial=-1) + 1, np.int64)
    first[alike[::-1]] = rows[::-1]
    return FactColumns(
        activity=np.array(graph.activity, np.int64),
        duration_us=np.array(graph.duration_us, np.float64) if whole_ns is None else whole_ns[rows] / 1e3,
        kernels=[_kernel_facts(step, row, work, gemm_flops_per_s, compute_capability) for row in first.tolist()],
        kernel=alike,
    )


def _told(step: Timeline, rows: Ints, work: KernelWork) -> list[bytes]:
    """All that the facts of each row rest on but its duration, as bytes that are the same where that is."""
    device = step.device
    objects = (work.category, work.data_type, work.cause, work.operation)
    columns = [
        *(column[rows] for column in (device.name, *device.grid.T, *device.block.T)),
        *(column[rows] for column in (device.registers, device.shared_bytes)),
        *(column[rows] for column in (work.bytes, work.activations_bytes, work.flops, work.queries)),
        *(_numbered(column)[rows] for column in objects),
    ]
    table = np.stack(columns, axis=1)
    told, width = table.tobytes(), table.shape[1] * table.itemsize
    return [told[start : start + width] for start in range(0, len(told), width)]


def _numbered(column: list[Any]) -> Ints:
    """Equal numbers where values are equal, from 0 on in the order in which they appear."""
    numbers = Numbered[Any]()
    return np.fromiter(map(numbers.__getitem__, column), np.int64, len(column))


def _kernel_facts(
    step: Timeline,
    row: int,
    work: KernelWork,
    gemm_flops_per_s: Mapping[str, float | None],
    compute_capability: tuple[int, int] | None,
) -> KernelFacts:
    device, category = step.device, work.category[row]
    name, grid, block = step.name_of(device.name, row), device.grid[row].tolist(), device.block[row].tolist()
    flops = _known_number(float(work.flops[row]))
    gemm = gemm_flops_per_s.get(f"gemm.{_computed_in(name, work.data_type[row])}")
    executed = executed_ratio(name, float(work.queries[row])) if category is Category.ATTENTION else 1.0
    rate = rate_ratio(name, compute_capability) if category is Category.ATTENTION else 1.0
    activations = work.bytes[row] - work.weights_bytes[row] - work.kv_cache_bytes[row]
    return KernelFacts(
        bytes=_known_number(float(work.bytes[row])),
        resident_bytes=_known_number(float(activations)) or 0.0,
        flops=flops,
        uses_matrix_units=category is not None and category.uses_matrix_units,
        blocks=math.prod(grid) if grid[0] > 0 else None,
        memory_cause=work.cause[row] or Cause.MEMORY_ACTIVATIONS,
        tensor_flops_per_s=None if gemm is None else gemm * rate,
        threads=math.prod(block) if block[0] > 0 else None,
        registers=_known_number(int(device.registers[row])),
        shared_bytes=_known_number(int(device.shared_bytes[row])),
        is_special_function=_SPECIAL_FUNCTION.search(work.operation[row] or "") is not None,
        is_matrix_product=category is Category.GEMM,
        executed_flops=flops * executed if flops is not None and executed > 1 else None,
    )


def _known_number(value: Number) -> Number | None:
    return value if value >= 0 else None


def _computed_in(kernel: str, data_type: str | None) -> str | None:
    """The number format of a kernel. Products of float32 may run in TF32, which only the kernel's name gives away."""
    return "tf32" if data_type == "float32" and "tf32" in kernel else data_type
