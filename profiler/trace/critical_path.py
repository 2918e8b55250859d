"""The critical path of a trace: from its end back to its start, what each instant waited for.

Walked backwards. A row of the device waited for the last of three things: what ran before it in its stream, a row of
another stream that an event made it wait for, or its launch. From a launch on, the host's thread was at work, back to
where a call had blocked until the device was done; there the path goes on with what it had waited for. The dependencies
are those of the `DependencyGraph`, the times the trace's own: the segments are contiguous and sum to the span exactly.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain

import numpy as np
from msgspec import Struct

from profiler.report.trace_waits import PathKind
from profiler.trace.distinct import values
from profiler.trace.graph import WAKE_UP_NS, DependencyGraph
from profiler.trace.timeline import Activity, Ints, Timeline
from profiler.trace.waits import UNEXPLAINED_WAIT_NS, block_host, ends_last_before

# In this order the kinds of `CriticalPath.kind` are numbered.
PATH_KINDS = tuple(PathKind)
_NUMBER = {kind: number for number, kind in enumerate(PATH_KINDS)}
_ACTIVITIES = {
    Activity.KERNEL: PathKind.KERNEL,
    Activity.COLLECTIVE: PathKind.COLLECTIVE,
    Activity.H2D: PathKind.COPY,
    Activity.D2H: PathKind.COPY,
    Activity.D2D: PathKind.COPY,
    Activity.P2P: PathKind.COPY,
    Activity.MEMSET: PathKind.COPY,
}
_ACTIVITY_NUMBERS = np.array([_NUMBER[_ACTIVITIES[activity]] for activity in Activity], np.int64)
_LAUNCH = _NUMBER[PathKind.LAUNCH]


class CriticalPath(Struct, frozen=True):
    """The segments in the order of time, shape (n,) each; each ends where the next begins.

    `kind` is an index into `PATH_KINDS`. `row` is the call that the host's work led to or that blocked, for segments of
    the kinds `host` and `sync`, else the row of the device that ran or waited; -1 where nothing is known.
    """

    begin_ns: Ints
    end_ns: Ints
    kind: Ints
    row: Ints


def critical_path(timeline: Timeline, graph: DependencyGraph) -> CriticalPath:
    """The path through the span of the device; `graph` is that of the whole timeline."""
    walk = _Walk(timeline, graph)
    walk.back()
    kind, row, begin = np.fromiter(chain.from_iterable(walk.found), np.int64).reshape(-1, 3)[::-1].T
    end = np.append(begin, walk.end_ns)[1:]
    lasting = end > begin
    return CriticalPath(begin[lasting], end[lasting], kind[lasting], row[lasting])


class _Walk:
    """The way back. `found` are the segments from the last to the first: kind, row, begin."""

    def __init__(self, timeline: Timeline, graph: DependencyGraph) -> None:
        device, host = timeline.device, timeline.host
        self.graph = graph
        self.start_ns, self.end_ns = device.span_ns
        self.found: list[tuple[int, int, int]] = []
        self._at = self.end_ns  # all that is later is found
        # Of each row of the graph: lists, as the walk asks for one row at a time.
        rows, calls = np.array(graph.source_row, np.int64), np.array(graph.source_call, np.int64)
        begin, end, stages = device.start_ns[rows], device.end_ns[rows], block_host(device)[rows]
        before = ends_last_before(end, np.array(graph.stream, np.int64))
        # A row that began before the end of those before it waited for one of them to come that far.
        free = np.minimum(np.append(end, self.start_ns)[before], begin)
        self._begin, self._end, self._stages = begin.tolist(), end.tolist(), stages.tolist()
        self._before, self._free = before.tolist(), free.tolist()
        self._activity = _ACTIVITY_NUMBERS[device.kind[rows]].tolist()
        call_end = host.end_ns[calls]
        self._call_end: list[int] = call_end.tolist()
        self._streams: dict[int, tuple[list[int], list[int]]] = {}  # when they are asked for
        self._blocked = _blocked_calls(graph, host.start_ns[calls].tolist(), self._call_end, self._end)
        launch = np.array(graph.launched_by, np.int64)
        alone = np.array([not held for held in graph.held_by], np.bool_)
        early = (launch >= 0) & ~stages & (np.append(call_end, self.end_ns)[launch] <= free)
        soon = begin - free < UNEXPLAINED_WAIT_NS
        self._queued: list[bool] = ((before >= 0) & alone & early & soon).tolist()

    def back(self) -> None:
        """Find all segments."""
        ends = self._end
        row = max(range(len(ends)), key=lambda index: (ends[index], -self._begin[index]), default=None)
        if row is not None:
            self._reach(ends[row], PathKind.UNKNOWN, -1)
        while row is not None and self._at > self.start_ns:
            if self._begin[row] <= self._at:
                row = self._along_queue(row)
            self._reach(self._begin[row], None, row)
            bound_by = self._bound_by(row)
            # Rows wait for earlier ones only. A graph that says otherwise has no path back from here.
            row = bound_by if bound_by is not None and bound_by < row else None
        self._reach(self.start_ns, PathKind.UNKNOWN, -1)

    def _along_queue(self, row: int) -> int:
        """Back to a row that waited for more than its queue: most wait for nothing else, and are many."""
        begin, free, activity, source = self._begin, self._free, self._activity, self.graph.source_row
        while self._queued[row]:
            self.found.append((activity[row], source[row], begin[row]))
            self.found.append((_LAUNCH, source[row], free[row]))
            self._at = free[row]
            row = self._before[row]
        return row

    def _reach(self, begin_ns: int, kind: PathKind | None, row: int) -> None:
        """One more segment from `begin_ns` on, if time is left for it. Of the kind None: what a device row does."""
        begin_ns = max(begin_ns, self.start_ns)
        if begin_ns >= self._at:
            return
        number = self._activity[row] if kind is None else _NUMBER[kind]
        if kind in (PathKind.HOST, PathKind.SYNC):
            source = self.graph.source_call[row]
        else:
            source = self.graph.source_row[row] if row >= 0 else -1
        self.found.append((number, source, begin_ns))
        self._at = begin_ns

    def _bound_by(self, row: int) -> int | None:
        """The device row that `row` waited for, itself or through the host; what lies between is found."""
        before, call = self._before[row], self.graph.launched_by[row]
        held = max(self.graph.held_by[row], key=self._end.__getitem__, default=-1)
        free = self._free[row]
        released = self._end[held] if held >= 0 else self.start_ns
        issued = self._issued(row, max(free, released))
        ready = max(free, released, issued)
        if held >= 0 and released == ready:
            self._reach(released, PathKind.OTHER_STREAM, row)
            return held
        unexplained = call >= 0 and self._at - ready >= UNEXPLAINED_WAIT_NS
        beside = self._ran_beside(row, ready) if unexplained else None
        if beside is not None:
            self._reach(self._end[beside], PathKind.OTHER_STREAM, row)
            return beside
        if issued > free:
            self._reach(issued, PathKind.LAUNCH, row)
            return self._through_host(call)
        self._reach(free, PathKind.LAUNCH if call >= 0 and not unexplained else PathKind.UNKNOWN, row)
        return before if before >= 0 else None

    def _issued(self, row: int, free_ns: int) -> int:
        """When the host was through with launching `row`; at the start of the span, where nobody knows."""
        call = self.graph.launched_by[row]
        if call < 0:
            return self.start_ns
        if not self._stages[row]:
            return self._call_end[call]
        # The call ends with its copy. That began when its memory was staged, or as soon as the device was free for it.
        return self._at if self._at - free_ns >= UNEXPLAINED_WAIT_NS else self.start_ns

    def _ran_beside(self, row: int, since_ns: int) -> int | None:
        """What another stream ran last, launched before `row`; None if nothing of that ended after `since_ns`.

        Nothing in the trace says why `row` waited, which was launched long before and next in its stream: for an event
        that is not recorded, or for room on the device.
        """
        latest = None
        self._streams = self._streams or _by_start(self.graph.stream, self._begin)
        for stream, (begins, rows) in self._streams.items():
            if stream == self.graph.stream[row]:
                continue
            position = bisect_left(begins, self._at) - 1
            while position >= 0 and rows[position] > row and begins[position] > since_ns:
                position -= 1
            if position >= 0 and rows[position] < row and self._end[rows[position]] > since_ns:
                latest, since_ns = rows[position], self._end[rows[position]]
        return latest

    def _through_host(self, call: int) -> int | None:
        """The device row that the host last waited for before `call`, None where it never did."""
        calls, waited = self._blocked[self.graph.thread[call]]
        position = bisect_left(calls, call) - 1
        if position < 0:
            self._reach(self.start_ns, PathKind.HOST, call)
            return None
        blocked, row = calls[position], waited[position]
        self._reach(self._call_end[blocked], PathKind.HOST, call)
        self._reach(self._end[row], PathKind.SYNC, blocked)
        return row


def _by_start(streams: list[int], begin: list[int]) -> dict[int, tuple[list[int], list[int]]]:
    """Of each stream the starts of its rows, in order, and the rows."""
    stream, begins = np.array(streams, np.int64), np.array(begin, np.int64)
    order = np.argsort(begins, kind="stable")
    found = {}
    for number in values(stream).tolist():
        rows = order[stream[order] == number]
        found[number] = begins[rows].tolist(), rows.tolist()
    return found


def _blocked_calls(
    graph: DependencyGraph, begin: list[int], end: list[int], device_end: list[int]
) -> dict[int, tuple[list[int], list[int]]]:
    """Of each thread the calls that blocked until a row of the device was done, and these rows."""
    found: dict[int, tuple[list[int], list[int]]] = {thread: ([], []) for thread in set(graph.thread)}
    for call, rows in enumerate(graph.waits_for):
        if not rows:
            continue
        last = max(rows, key=device_end.__getitem__)
        if device_end[last] > begin[call] and abs(end[call] - device_end[last]) < WAKE_UP_NS:
            calls, waited = found[graph.thread[call]]
            calls.append(call)
            waited.append(last)
    return found
