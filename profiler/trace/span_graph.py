"""The dependency graph of a whole trace, from the first start to the last end on its device."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from profiler.trace import intervals
from profiler.trace.accounting import Accounting
from profiler.trace.distinct import values
from profiler.trace.graph import DependencyGraph, build_graph
from profiler.trace.timeline import Call, HostCalls, Timeline

_LAUNCHING_OR_BLOCKED = (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET, Call.SYNC)
# Threads whose calls overlap for less of their time than this take turns.
_TAKING_TURNS = 0.01


def span_graph(timeline: Timeline, told: Accounting) -> DependencyGraph:
    """The graph of the span that `told` accounts for; its device rows are those of the timeline.

    What the host did before the device first worked, and after its last call, takes no time: a trace that begins with a
    slow first launch is not one of a slow host. Threads that take turns, as a training loop and autograd's thread do,
    count as one: while one of them works, the other waits for it.
    """
    end_ns = told.start_ns + told.span_ns
    host = replace(
        timeline.host,
        start_ns=np.clip(timeline.host.start_ns, told.start_ns, end_ns),
        end_ns=np.clip(timeline.host.end_ns, told.start_ns, end_ns),
    )
    ranges = timeline.ranges
    if _take_turns(timeline.host):
        host = replace(host, thread=np.zeros_like(host.thread))
        ranges = replace(ranges, thread=np.zeros_like(ranges.thread))
    graph = build_graph(replace(timeline, host=host, ranges=ranges), told.start_ns, end_ns)
    return replace(graph, tail_us=[0.0] * len(graph.tail_us))


def _take_turns(host: HostCalls) -> bool:
    """Whether hardly any two threads launch work or block at the same time."""
    rows = np.isin(host.kind, _LAUNCHING_OR_BLOCKED)
    spans, threads = intervals.from_columns(host.start_ns[rows], host.end_ns[rows]), host.thread[rows]
    apart = sum(intervals.total(spans[threads == thread]) for thread in values(threads).tolist())
    together = intervals.total(spans)
    return apart - together <= _TAKING_TURNS * together
