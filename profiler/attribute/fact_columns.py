"""What is known of each row of a traced step from its work and its launch, each distinct kernel looked at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np

from profiler.attribute.activities import FactColumns
from profiler.attribute.attention_tile import executed_ratio, rate_ratio
from profiler.attribute.kernel_work import KernelWork
from profiler.attribute.operation_work import Category
from profiler.report.evidence import KernelFacts
from profiler.report.vocabulary import Cause
from profiler.trace.graph import DependencyGraph
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
    """The facts alone of the device rows of `graph`, in its order; rows that are alike share what is known of them."""
    alike: dict[_Launched, int] = {}
    rows = np.array(graph.source_row, np.int64)
    kernel = [alike.setdefault(launched, len(alike)) for launched in _launched(step, rows, work)]
    return FactColumns(
        activity=np.array(graph.activity, np.int64),
        duration_us=np.array(graph.duration_us, np.float64),
        kernels=[
            _kernel_facts(step.names[launched[0]], *launched[1:], gemm_flops_per_s, compute_capability)
            for launched in alike
        ],
        kernel=np.array(kernel, np.int64),
    )


# Name, grid, block, registers, shared memory; bytes, activations, FLOPs, queries (-1 where unknown); and of the
# operation category, type, cause, name.
_Launched = tuple[
    int,
    tuple[int, int, int],
    tuple[int, int, int],
    int,
    int,
    float,
    float,
    float,
    float,
    Category | None,
    str | None,
    Cause | None,
    str | None,
]


def _launched(step: Timeline, rows: Ints, work: KernelWork) -> Iterator[_Launched]:
    """All that the facts of each row rest on but its duration."""
    device, order = step.device, rows.tolist()
    integers = [column[rows].tolist() for column in (device.registers, device.shared_bytes)]
    numbers = [
        np.where(np.isnan(column), -1.0, column)[rows].tolist()
        for column in (work.bytes, work.activations_bytes, work.flops, work.queries)
    ]
    objects = [[column[row] for row in order] for column in (work.category, work.data_type, work.cause, work.operation)]
    sizes = [map(tuple, column[rows].tolist()) for column in (device.grid, device.block)]
    return zip(device.name[rows].tolist(), *sizes, *integers, *numbers, *objects, strict=True)


def _kernel_facts(
    name: str,
    grid: tuple[int, int, int],
    block: tuple[int, int, int],
    registers: int,
    shared_bytes: int,
    moved: float,
    activations: float,
    flops: float,
    queries: float,
    category: Category | None,
    data_type: str | None,
    cause: Cause | None,
    operation: str | None,
    gemm_flops_per_s: Mapping[str, float | None],
    compute_capability: tuple[int, int] | None,
) -> KernelFacts:
    gemm = gemm_flops_per_s.get(f"gemm.{_computed_in(name, data_type)}")
    executed = executed_ratio(name, queries) if category is Category.ATTENTION else 1.0
    rate = rate_ratio(name, compute_capability) if category is Category.ATTENTION else 1.0
    return KernelFacts(
        bytes=_known_number(moved),
        resident_bytes=max(activations, 0.0),
        flops=_known_number(flops),
        uses_matrix_units=category is not None and category.uses_matrix_units,
        blocks=math.prod(grid) if grid[0] > 0 else None,
        memory_cause=cause or Cause.MEMORY_ACTIVATIONS,
        tensor_flops_per_s=None if gemm is None else gemm * rate,
        threads=math.prod(block) if block[0] > 0 else None,
        registers=_known_number(registers),
        shared_bytes=_known_number(shared_bytes),
        is_special_function=_SPECIAL_FUNCTION.search(operation or "") is not None,
        is_matrix_product=category is Category.GEMM,
        executed_flops=flops * executed if flops >= 0 and executed > 1 else None,
    )


def _known_number(value: Number) -> Number | None:
    return value if value >= 0 else None


def _computed_in(kernel: str, data_type: str | None) -> str | None:
    """The number format of a kernel. Products of float32 may run in TF32, which only the kernel's name gives away."""
    return "tf32" if data_type == "float32" and "tf32" in kernel else data_type
