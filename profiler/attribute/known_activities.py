"""From the rows of a traced step and their work to what the cost model asks of each activity."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from profiler.attribute.activities import ActivityFacts
from profiler.attribute.attention_tile import executed_ratio, rate_ratio
from profiler.attribute.counted import Counted
from profiler.attribute.kernel_work import KernelWork
from profiler.attribute.operation_work import Category
from profiler.attribute.phase import KnownActivity
from profiler.measure.counters.source import Counter
from profiler.report.evidence import KernelFacts
from profiler.report.vocabulary import Cause
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity, Timeline

# torch.special, and its functions of older names. Exponentials and the like cost the hardware a few instructions.
_SPECIAL_FUNCTION = re.compile(
    r"aten::(special_|lgamma|digamma|polygamma|erfinv|igamma|i0|mvlgamma|zeta|bessel|airy|ndtri)"
)


def known_activities(
    step: Timeline,
    graph: DependencyGraph,
    work: KernelWork,
    gemm_flops_per_s: Mapping[str, float | None],
    counted: Counted | None = None,
    compute_capability: tuple[int, int] | None = None,
) -> list[KnownActivity]:
    """The device rows of `graph`, in its order. `gemm_flops_per_s` holds the measured ceilings by their names.

    What counters say of a kernel stands beside what its shapes say.
    """
    known = [
        _known(step, graph, index, row, work, gemm_flops_per_s, compute_capability)
        for index, row in enumerate(graph.source_row)
    ]
    return (
        known
        if counted is None
        else [_counted(step, row, one, counted) for row, one in zip(graph.source_row, known, strict=True)]
    )


def _counted(step: Timeline, row: int, known: KnownActivity, counted: Counted) -> KnownActivity:
    """With what the counters say of it, as far as that is sure."""
    x, y, z = step.device.grid[row].tolist()
    kernel = counted.find(known.name, (x, y, z), known.facts.duration_us)
    if known.facts.activity is not Activity.KERNEL or kernel is None or not counted.is_sure(kernel):
        return known
    facts = replace(
        known.facts.kernel,
        counted_bytes=kernel.each[Counter.DRAM_READ].value + kernel.each[Counter.DRAM_WRITE].value,
        tensor_active_ratio=counted.active_ratio(kernel, Counter.TENSOR_ACTIVE),
        issue_active_ratio=counted.active_ratio(kernel, Counter.ISSUE_ACTIVE),
    )
    return replace(known, facts=replace(known.facts, kernel=facts))


def _known(
    step: Timeline,
    graph: DependencyGraph,
    index: int,
    row: int,
    work: KernelWork,
    gemm_flops_per_s: Mapping[str, float | None],
    compute_capability: tuple[int, int] | None,
) -> KnownActivity:
    category, grid, block = work.category[row], step.device.grid[row].tolist(), step.device.block[row].tolist()
    name = step.name_of(step.device.name, row)
    moved, flops = _number(float(work.bytes[row])), _number(float(work.flops[row]))
    gemm = gemm_flops_per_s.get(f"gemm.{_computed_in(name, work.data_type[row])}")
    executed = executed_ratio(name, float(work.queries[row])) if category is Category.ATTENTION else 1.0
    rate = rate_ratio(name, compute_capability) if category is Category.ATTENTION else 1.0
    return KnownActivity(
        facts=ActivityFacts(
            activity=Activity(graph.activity[index]),
            duration_us=graph.duration_us[index],
            kernel=KernelFacts(
                bytes=moved,
                resident_bytes=_number(float(work.activations_bytes[row])) or 0.0,
                flops=flops,
                uses_matrix_units=category is not None and category.uses_matrix_units,
                blocks=math.prod(grid) if grid[0] > 0 else None,
                memory_cause=work.cause[row] or Cause.MEMORY_ACTIVATIONS,
                tensor_flops_per_s=None if gemm is None else gemm * rate,
                threads=math.prod(block) if block[0] > 0 else None,
                registers=_known_int(step.device.registers[row]),
                shared_bytes=_known_int(step.device.shared_bytes[row]),
                is_special_function=_SPECIAL_FUNCTION.search(work.operation[row] or "") is not None,
                is_matrix_product=category is Category.GEMM,
                executed_flops=flops * executed if flops is not None and executed > 1 else None,
            ),
        ),
        name=name,
        operation=work.outer_operation[row] or work.operation[row],
        module=work.module[row],
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _known_int(value: int) -> int | None:
    return int(value) if value >= 0 else None


def _computed_in(kernel: str, data_type: str | None) -> str | None:
    """The number format of a kernel. Products of float32 may run in TF32, which only the kernel's name gives away."""
    return "tf32" if data_type == "float32" and "tf32" in kernel else data_type
