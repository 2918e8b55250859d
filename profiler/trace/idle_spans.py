"""When the device waited for what: the idle time of `profiler.trace.idle`, instant by instant."""

from __future__ import annotations

import numpy as np

from profiler.report.part_name import PartName
from profiler.trace import intervals
from profiler.trace.graph import DependencyGraph
from profiler.trace.idle import find_gaps, held_by_another_stream, late_launches
from profiler.trace.intervals import Ints
from profiler.trace.timeline import Timeline


def idle_spans(timeline: Timeline, graph: DependencyGraph) -> dict[PartName, Ints]:
    """Merged spans of idle time by cause, which are disjoint; as long as `idle_ns` says."""
    gaps = find_gaps(timeline)
    begin, end, call, issued = gaps.begin, gaps.end, gaps.call, gaps.issued
    elsewhere = (call >= 0) & (issued == begin) & np.isin(gaps.ended_by, held_by_another_stream(timeline, graph))
    launched = (call >= 0) & ~elsewhere
    found = {
        PartName.IDLE_UNKNOWN: [_spans(begin, end)[call < 0]],
        PartName.IDLE_OTHER_STREAM: [_spans(begin, end)[elsewhere]],
        PartName.IDLE_LAUNCH_GAP: [_spans(issued, end)[launched]],
        PartName.IDLE_SYNC: [],
        PartName.IDLE_HOST: [],
    }
    for late in late_launches(timeline):
        found[PartName.IDLE_SYNC].append(_spans(late.begin_ns, late.resumed_ns))
        rest = _spans(late.resumed_ns, late.issued_ns)
        for name, spans in late.spans.items():
            found.setdefault(name, []).append(intervals.intersect(rest, spans))
            rest = intervals.subtract(rest, spans)
        found[PartName.IDLE_HOST].append(rest)
    merged = {name: intervals.merge(np.concatenate(spans)) for name, spans in found.items() if spans}
    return {name: spans for name, spans in merged.items() if len(spans)}


def _spans(begin: Ints, end: Ints) -> Ints:
    return intervals.from_columns(begin, end)
