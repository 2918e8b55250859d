"""What the device of a trace waited for: the critical path, and which operations of the host cost it idle time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from profiler.attribute.idle_record import host_operations
from profiler.attribute.path_record import path_record
from profiler.report.analysis import PartName, RankAnalysis
from profiler.report.source import Source
from profiler.trace.critical_path import critical_path
from profiler.trace.graph import DependencyGraph
from profiler.trace.host_places import HostPlaces
from profiler.trace.host_work import host_work
from profiler.trace.idle import LateLaunches
from profiler.trace.idle_owners import idle_pieces
from profiler.trace.integrity import Finding, Severity
from profiler.trace.timeline import Timeline


def with_waits(
    rank: RankAnalysis,
    timeline: Timeline,
    graph: DependencyGraph,
    late: Sequence[LateLaunches],
    findings: Sequence[Finding],
) -> RankAnalysis:
    """The analysis with both added; neither, and why, where the trace lacks what would have to be in them."""
    fatal = [finding.message for finding in findings if finding.severity is Severity.FATAL]
    if fatal:
        missing = {"critical_path": Source(missing=fatal[0])}
        return replace(rank, sources={**rank.sources, **missing})
    work = host_work(timeline)
    places = HostPlaces(timeline, work)
    silence = late[0].spans[PartName.IDLE_NOTHING_ASKED] if late else np.empty((0, 2), np.int64)
    pieces = idle_pieces(timeline, work, late)
    return replace(
        rank,
        critical_path=path_record(critical_path(timeline, graph), timeline, work, places, silence),
        host_operations=host_operations(pieces, work, places, timeline.device.span_ns, rank.idle_ns),
    )
