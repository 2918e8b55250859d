"""When each part of a trace took place, for a picture of it."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from profiler.attribute.fact_columns import fact_columns
from profiler.attribute.kernel_work import kernels_work
from profiler.attribute.trace_ceilings import TraceCeilings
from profiler.attribute.traced import part_names
from profiler.attribute.traced_scenarios import traced_limits
from profiler.report.part_name import PartName
from profiler.trace import intervals
from profiler.trace.accounting import Accounting, exclusive_ns
from profiler.trace.idle_spans import idle_spans
from profiler.trace.intervals import Ints
from profiler.trace.span_graph import span_graph
from profiler.trace.timeline import Timeline


class PartSpans(Struct, frozen=True):
    """When each part took place, merged spans of shape (n, 2), and the time of each that has spans.

    Idle parts last exactly as long as their time. What runs at once is in the spans of each, while each has only its
    share of such an instant in its time.
    """

    spans: dict[PartName, Ints]
    ns: dict[PartName, int]


def part_spans(timeline: Timeline, told: Accounting, ceilings: TraceCeilings) -> PartSpans:
    """The parts of the timeline that `told` accounts for, as an analysis with these ceilings finds them."""
    graph = span_graph(timeline, told)
    facts = fact_columns(
        timeline, graph, kernels_work(timeline), ceilings.gemm_flops_per_s, ceilings.compute_capability
    )
    names = np.array(part_names(graph, traced_limits(facts, ceilings.peaks)), np.object_)
    device, rows = timeline.device, np.array(graph.source_row, np.int64)
    busy = intervals.from_columns(device.start_ns[rows], device.end_ns[rows])
    own = exclusive_ns(device)[rows]
    idle = idle_spans(timeline, graph)
    spans = {name: intervals.merge(busy[names == name]) for name in PartName if not name.is_idle} | idle
    ns = {name: int(own[names == name].sum()) for name in PartName if not name.is_idle}
    ns |= {name: intervals.total(found) for name, found in idle.items()}
    return PartSpans({name: found for name, found in spans.items() if len(found)}, ns)
