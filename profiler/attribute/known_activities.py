"""From the rows of a traced step and their work to what the cost model asks of each activity."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from profiler.attribute.activities import ActivityFacts
from profiler.attribute.counted import Counted
from profiler.attribute.fact_columns import fact_columns
from profiler.attribute.kernel_work import KernelWork
from profiler.attribute.phase import KnownActivity
from profiler.measure.counters.source import Counter
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity, Timeline


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
    facts = fact_columns(step, graph, work, gemm_flops_per_s, compute_capability)
    known = [
        KnownActivity(
            facts=ActivityFacts(Activity(activity), duration_us, facts.kernels[kernel]),
            name=step.name_of(step.device.name, row),
            operation=work.outer_operation[row] or work.operation[row],
            module=work.module[row],
        )
        for row, activity, duration_us, kernel in zip(
            graph.source_row, graph.activity, graph.duration_us, facts.kernel.tolist(), strict=True
        )
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
