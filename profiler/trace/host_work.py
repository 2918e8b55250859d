"""What the host was doing at any time: the innermost of all that was recorded on a thread.

Operations, annotations and Python functions nest; of those that are open at an instant, the one that began last is the
innermost. A runtime call counts as part of the operation around it, and for itself where there is none. Where no
operation is open on a thread, one on another thread that launches work counts: a training loop waits for autograd's.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from profiler.trace import intervals
from profiler.trace.distinct import values
from profiler.trace.input_waits import LOADER_PREFIX
from profiler.trace.nesting import enclosing
from profiler.trace.timeline import (
    Call,
    Frames,
    HostCalls,
    Ints,
    Operations,
    Ranges,
    Timeline,
)


class HostKind(IntEnum):
    """What a piece of host work was recorded as."""

    OPERATION = 0
    CALL = 1
    RANGE = 2
    PYTHON = 3


# So many at once take some tens of MB.
_BLOCK_WORKS = 250_000
_FAR = 2**62
_PROPER = (HostKind.OPERATION, HostKind.CALL)
_LAUNCHING = (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET)


class HostWork(Struct, frozen=True):
    """Everything that the host was seen to do, shape (n,) each; `name` is an index into the timeline's names."""

    start_ns: Ints
    end_ns: Ints
    thread: Ints
    name: Ints
    kind: Ints  # HostKind
    row: Ints  # in the timeline's table of that kind

    def __len__(self) -> int:
        return len(self.start_ns)

    def only(self, rows: Ints) -> HostWork:
        """These rows alone."""
        columns = (self.start_ns, self.end_ns, self.thread, self.name, self.kind, self.row)
        return HostWork(*(column[rows] for column in columns))


class HostPieces(Struct, frozen=True):
    """Spans of time cut where the innermost work changes: `owner` is its row in `HostWork`, -1 where there is none.

    Sorted and disjoint; `span` is the row of the span that a piece lies in.
    """

    begin_ns: Ints
    end_ns: Ints
    span: Ints
    owner: Ints


def host_work(timeline: Timeline) -> HostWork:
    """All host work of a trace. A range with operations or calls in it says where they are, not what is done."""
    operations, calls, ranges, frames = timeline.operations, timeline.host, timeline.ranges, timeline.frames
    is_loading = np.array([name.startswith(LOADER_PREFIX) for name in timeline.names], np.bool_)[ranges.name]
    tables = [
        _columns(operations, HostKind.OPERATION, np.arange(len(operations))),
        _columns(calls, HostKind.CALL, np.flatnonzero(calls.operation < 0)),
        _columns(ranges, HostKind.RANGE, np.flatnonzero(is_loading | ~_hold_work(timeline))),
        _columns(frames, HostKind.PYTHON, np.arange(len(frames))),
    ]
    return HostWork(*(np.concatenate([table.pop(0) for table in tables]) for _ in range(6)))


def innermost_frames(timeline: Timeline) -> Ints:
    """Rows of the Python functions in which nothing else begins: those that were running, not those that called."""
    frames = timeline.frames
    called = _hold(frames, frames, strictly=True)
    return np.flatnonzero(~(called | _hold(frames, timeline.operations) | _hold(frames, timeline.host)))


def _hold_work(timeline: Timeline) -> NDArray[np.bool_]:
    """Which ranges have an operation or a call begin within them on their thread."""
    return _hold(timeline.ranges, timeline.operations) | _hold(timeline.ranges, timeline.host)


def _hold(
    outer: Ranges | Frames, inner: Operations | HostCalls | Frames, *, strictly: bool = False
) -> NDArray[np.bool_]:
    """Which rows of `outer` have one of `inner` begin within them on their thread; `strictly`: after they begin."""
    found = np.zeros(len(outer), np.bool_)
    for thread in values(outer.thread).tolist():
        mine = outer.thread == thread
        starts = np.sort(inner.start_ns[inner.thread == thread])
        before = np.searchsorted(starts, outer.start_ns[mine], side="right" if strictly else "left")
        found[mine] = np.searchsorted(starts, outer.end_ns[mine]) > before
    return found


def _columns(table: Operations | HostCalls | Ranges | Frames, kind: HostKind, rows: Ints) -> list[Ints]:
    columns = [table.start_ns[rows], table.end_ns[rows], table.thread[rows], table.name[rows]]
    return [*columns, np.full_like(rows, kind), rows]


def launching_threads(timeline: Timeline) -> Ints:
    """The threads that gave the device work."""
    return values(timeline.host.thread[np.isin(timeline.host.kind, _LAUNCHING)])


def cut_by_work(work: HostWork, spans: Ints, thread: Ints, others: Ints, cuts: Ints) -> HostPieces:
    """Disjoint, sorted `spans` (shape (n, 2)) of one thread each, cut where the innermost work on it changes.

    Where nothing is open on that thread, the innermost work on one of the `others` counts. `cuts` are further instants
    to cut at.
    """
    rows = np.flatnonzero(_overlap(work, spans) & np.isin(work.thread, np.append(others, thread)))
    begin, end, span = _cut(spans, np.concatenate([work.start_ns[rows], work.end_ns[rows], cuts]))
    mine = thread[span]
    owner = _innermost(work, rows, begin, mine)
    if len(others) > 1:
        proper = rows[np.isin(work.kind[rows], _PROPER)]
        loose = np.flatnonzero(~np.isin(np.append(work.kind, -1)[owner], _PROPER))
        loose = loose[_innermost(work, proper, begin[loose], mine[loose]) < 0]
        elsewhere = _innermost(work, proper, begin[loose])
        owner[loose] = np.where(elsewhere >= 0, elsewhere, owner[loose])
        nobody = np.flatnonzero(owner < 0)
        owner[nobody] = _innermost(work, rows, begin[nobody])
    return HostPieces(begin, end, span, owner)


def cut_in_blocks(work: HostWork, spans: Ints, thread: Ints, others: Ints, cuts: Ints) -> Iterator[HostPieces]:
    """The same, one stretch of time after the other, so that the pieces of a long trace need not fit into memory."""
    borders = np.sort(work.start_ns)[_BLOCK_WORKS::_BLOCK_WORKS].tolist() if len(work) > _BLOCK_WORKS else []
    first, last = int(spans.min(initial=_FAR)), int(spans.max(initial=-_FAR))
    for low, high in pairwise([first, *(border for border in borders if first < border < last), last]):
        inside = np.flatnonzero((spans[:, 1] > low) & (spans[:, 0] < high))
        rows = np.flatnonzero((work.end_ns > low) & (work.start_ns < high))
        found = cut_by_work(work.only(rows), np.clip(spans[inside], low, high), thread[inside], others, cuts)
        yield HostPieces(found.begin_ns, found.end_ns, inside[found.span], np.append(rows, -1)[found.owner])


def _innermost(work: HostWork, rows: Ints, at_ns: Ints, thread: Ints | None = None) -> Ints:
    """The row of the innermost work at each instant, of these rows: on that thread, or on any; -1 for none."""
    mine = work.thread[rows] if thread is not None else np.zeros(len(rows), np.int64)
    thread = np.zeros(len(at_ns), np.int64) if thread is None else thread
    found = enclosing((work.start_ns[rows], work.end_ns[rows], mine), at_ns, at_ns + 1, thread)
    return np.append(rows, -1)[found]


def _overlap(work: HostWork, spans: Ints) -> NDArray[np.bool_]:
    inside = intervals.covered_before(spans, work.end_ns) - intervals.covered_before(spans, work.start_ns)
    return inside > 0


def _cut(spans: Ints, instants: Ints) -> tuple[Ints, Ints, Ints]:
    """The spans cut at the instants within them: begin, end and span of each piece."""
    if not len(spans):
        return spans[:, 0], spans[:, 1], spans[:, 0]
    place = np.searchsorted(spans[:, 0], instants, side="right") - 1
    inside = (place >= 0) & (instants > spans[place, 0]) & (instants < spans[place, 1])
    begin = np.sort(np.concatenate([spans[:, 0], instants[inside]]))
    begin = begin[np.diff(begin, prepend=-1) != 0]
    span = np.searchsorted(spans[:, 0], begin, side="right") - 1
    return begin, np.minimum(np.append(begin[1:], np.iinfo(np.int64).max), spans[span, 1]), span
