"""What of the host cost the device the most idle time, as a report tells it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiler.report.source import Source
from profiler.report.trace_waits import HostOperation, HostWorkKind
from profiler.trace import intervals
from profiler.trace.distinct import values
from profiler.trace.host_places import HostPlaces
from profiler.trace.host_work import HostKind, HostWork
from profiler.trace.idle_owners import CAUSES, IdlePieces
from profiler.trace.named_work import WorkByName

_MOST_NAMED = 10  # whoever reads a table acts on its first rows
_NOTHING_ASKED = CAUSES.index(next(cause for cause in CAUSES if cause.value == "idle.nothing_asked"))
_UNRECORDED = Source(missing="nobody records where work between operations begins and ends")


def host_operations(
    pieces: IdlePieces, work: HostWork, places: HostPlaces, span: tuple[int, int], idle_ns: int
) -> list[HostOperation]:
    """The ten that cost the most, the costliest first; calls outside the span (start and end in ns) do not count."""
    by_name = WorkByName(work, places)
    silent = pieces.cause == _NOTHING_ASKED
    key = by_name.add(pieces.owner, pieces.begin_ns, pieces.end_ns, pieces.thread, silent)
    in_span = (work.end_ns > span[0]) & (work.start_ns < span[1])
    found = []
    for group in by_name.sums()[:_MOST_NAMED]:
        rows = np.flatnonzero(np.isin(key, group.keys))
        lasts = (pieces.end_ns - pieces.begin_ns)[rows]
        causes = np.bincount(pieces.cause[rows], weights=lasts, minlength=len(CAUSES))
        within, frames = places.around(group.at_ns, group.thread, group.owner)
        recorded = group.kind >= 0
        calls = by_name.calls(group) & in_span
        found.append(
            HostOperation(
                name=group.label,
                kind=HostWorkKind[HostKind(group.kind).name] if recorded else HostWorkKind.NONE,
                calls=int(calls.sum()) if recorded else group.calls,
                host_ns=_under(work, calls) if recorded else None,
                longest_ns=int((work.end_ns - work.start_ns)[calls].max()) if recorded else None,
                idle_ns=group.ns,
                idle_fraction=group.ns / idle_ns,
                cause=CAUSES[int(causes.argmax())],
                within=within,
                frames=frames,
                sources={} if recorded else {"host_ns": _UNRECORDED, "longest_ns": _UNRECORDED},
            )
        )
    return found


def _under(work: HostWork, rows: NDArray[np.bool_]) -> int:
    """The time under these rows, of each thread; a function that calls itself counts once."""
    threads = work.thread[rows]
    spans = intervals.from_columns(work.start_ns[rows], work.end_ns[rows])
    return sum(intervals.total(spans[threads == thread]) for thread in values(threads).tolist())
