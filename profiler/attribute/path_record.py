"""The critical path as a report tells it: how much of it was what, and what had the most of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from profiler.report import trace_waits as records
from profiler.report.trace_waits import PathGroup, PathKind, PathTime
from profiler.trace import intervals
from profiler.trace.critical_path import PATH_KINDS, CriticalPath
from profiler.trace.distinct import rows_alike
from profiler.trace.host_places import NOTHING_RECORDED, HostPlaces
from profiler.trace.host_work import HostWork, cut_in_blocks, launching_threads
from profiler.trace.named_work import WorkByName
from profiler.trace.timeline import Ints, Timeline

_MOST_NAMED = 10  # whoever reads a table acts on its first rows
_HOST, _SYNC = (PATH_KINDS.index(kind) for kind in (PathKind.HOST, PathKind.SYNC))


class _Group(Struct):
    """Segments of one kind and name; of the longest, when and on which thread the host was at it, and in which work."""

    kind: PathKind
    name: str
    ns: int
    count: int
    at_ns: int = 0
    thread: int = -1
    owner: int = -1


def path_record(
    path: CriticalPath, timeline: Timeline, work: HostWork, places: HostPlaces, silence: Ints
) -> records.CriticalPath:
    """The record of a path that covers the span of the device; `silence` is when no thread did anything, merged."""
    lasts = path.end_ns - path.begin_ns
    span_ns = int(lasts.sum())
    kinds = [
        PathTime(
            kind=PATH_KINDS[int(path.kind[rows[0]])],
            ns=int(lasts[rows].sum()),
            fraction=int(lasts[rows].sum()) / span_ns,
            segments=len(rows),
        )
        for rows in rows_alike(path.kind)
    ]
    groups = [*_on_device(path, timeline), *_syncs(path, timeline), *_host_work(path, timeline, work, places, silence)]
    longest = sorted(groups, key=lambda group: -group.ns)[:_MOST_NAMED]
    return records.CriticalPath(
        segments=len(lasts),
        kinds=sorted(kinds, key=lambda each: -each.ns),
        top=[_record(group, places, span_ns) for group in longest],
    )


def _record(group: _Group, places: HostPlaces, span_ns: int) -> PathGroup:
    within, frames = places.around(group.at_ns, group.thread, group.owner)
    return PathGroup(
        kind=group.kind,
        name=group.name,
        ns=group.ns,
        fraction=group.ns / span_ns,
        count=group.count,
        within=within,
        frames=frames,
    )


def _on_device(path: CriticalPath, timeline: Timeline) -> Iterator[_Group]:
    """What ran on the device or waited there, by the name of the activity; placed where it was launched."""
    device, host = timeline.device, timeline.host
    mine = np.flatnonzero(~np.isin(path.kind, (_HOST, _SYNC)))
    name, call = (np.append(column, -1)[path.row[mine]] for column in (device.name, device.call))
    for rows in rows_alike(path.kind[mine], name):
        segments = mine[rows]
        lasts = path.end_ns[segments] - path.begin_ns[segments]
        worst = lasts.argmax()
        launch = int(call[rows[worst]])
        label = timeline.names[int(name[rows[0]])] if name[rows[0]] >= 0 else NOTHING_RECORDED
        group = _Group(PATH_KINDS[int(path.kind[segments[worst]])], label, int(lasts.sum()), len(rows))
        if launch >= 0:
            group.at_ns, group.thread = int(host.start_ns[launch]), int(host.thread[launch])
        yield group


def _syncs(path: CriticalPath, timeline: Timeline) -> Iterator[_Group]:
    """Calls that blocked, by the operation around them, or by their own name."""
    host, operations = timeline.host, timeline.operations
    mine = np.flatnonzero(path.kind == _SYNC)
    calls = path.row[mine]
    around = np.append(operations.name, -1)[host.operation[calls]]
    for rows in rows_alike(np.where(around >= 0, around, host.name[calls])):
        lasts = (path.end_ns - path.begin_ns)[mine[rows]]
        call = int(calls[rows[lasts.argmax()]])
        name = timeline.names[int(around[rows[0]] if around[rows[0]] >= 0 else host.name[call])]
        yield _Group(
            kind=PathKind.SYNC,
            name=name,
            ns=int(lasts.sum()),
            count=len(rows),
            at_ns=int(host.start_ns[call]),
            thread=int(host.thread[call]),
        )


def _host_work(
    path: CriticalPath, timeline: Timeline, work: HostWork, places: HostPlaces, silence: Ints
) -> Iterator[_Group]:
    """The host's work, cut where the innermost operation changes."""
    mine = path.kind == _HOST
    spans = intervals.from_columns(path.begin_ns[mine], path.end_ns[mine])
    threads = timeline.host.thread[path.row[mine]]
    by_name = WorkByName(work, places)
    for block in cut_in_blocks(work, spans, threads, launching_threads(timeline), silence.reshape(-1)):
        silent = intervals.covered_before(silence, block.begin_ns + 1) > intervals.covered_before(
            silence, block.begin_ns
        )
        by_name.add(block.owner, block.begin_ns, block.end_ns, threads[block.span], silent)
    for group in by_name.sums()[:_MOST_NAMED]:  # no other can be among the longest groups
        yield _Group(PathKind.HOST, group.label, group.ns, group.calls, group.at_ns, group.thread, group.owner)
