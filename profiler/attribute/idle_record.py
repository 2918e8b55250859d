"""What of the host cost the device the most idle time, as a report tells it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from profiler.report.records import Source
from profiler.report.trace_waits import HostOperation, HostWorkKind
from profiler.trace import intervals
from profiler.trace.host_places import HostPlaces
from profiler.trace.host_work import HostKind, HostWork
from profiler.trace.idle_owners import CAUSES, IdlePieces
from profiler.trace.named_work import WorkByName
from profiler.trace.timeline import Ints

_MOST_NAMED = 10
_NOTHING_ASKED = CAUSES.index(next(cause for cause in CAUSES if cause.value == "idle.nothing_asked"))
_UNRECORDED = Source(missing="nobody records where work between operations begins and ends")


def host_operations(
    pieces: IdlePieces, work: HostWork, places: HostPlaces, span: tuple[int, int], idle_ns: int
) -> list[HostOperation]:
    """The ten that cost the most, the costliest first; calls outside the span (start and end in ns) do not count."""
    lasts = pieces.end_ns - pieces.begin_ns
    by_name = WorkByName(work, places, pieces.owner, lasts, silent=pieces.cause == _NOTHING_ASKED)
    in_span = (work.end_ns > span[0]) & (work.start_ns < span[1])
    found = []
    for group in by_name.sums()[:_MOST_NAMED]:
        rows = by_name.pieces(group)
        causes = np.bincount(pieces.cause[rows], weights=lasts[rows], minlength=len(CAUSES))
        worst = rows[_costliest(pieces.owner[rows], lasts[rows])]
        owner, thread = int(pieces.owner[worst]), int(pieces.thread[worst])
        if owner >= 0:
            thread = int(work.thread[owner])
        within, frames = places.around(int(pieces.begin_ns[worst]), thread, owner)
        calls = by_name.calls(group) & in_span
        found.append(
            HostOperation(
                name=group.label,
                kind=HostWorkKind[HostKind(group.kind).name] if owner >= 0 else HostWorkKind.NONE,
                calls=int(calls.sum()) if owner >= 0 else len(rows),
                host_ns=_under(work, calls) if owner >= 0 else None,
                longest_ns=int((work.end_ns - work.start_ns)[calls].max()) if owner >= 0 else None,
                idle_ns=group.ns,
                idle_fraction=group.ns / idle_ns,
                cause=CAUSES[int(causes.argmax())],
                within=within,
                frames=frames,
                sources={} if owner >= 0 else {"host_ns": _UNRECORDED, "longest_ns": _UNRECORDED},
            )
        )
    return found


def _costliest(owner: Ints, lasts: Ints) -> int:
    """The longest piece of the call that has most of the time in all."""
    if owner[0] < 0:
        return int(lasts.argmax())
    total: dict[int, int] = defaultdict(int)
    for row, ns in zip(owner.tolist(), lasts.tolist(), strict=True):
        total[row] += ns
    most = max(total, key=lambda row: total[row])
    return int(np.where(owner == most, lasts, -1).argmax())


def _under(work: HostWork, rows: NDArray[np.bool_]) -> int:
    """The time under these rows, of each thread; a function that calls itself counts once."""
    threads = work.thread[rows]
    spans = intervals.from_columns(work.start_ns[rows], work.end_ns[rows])
    return sum(intervals.total(spans[threads == thread]) for thread in np.unique(threads).tolist())
