"""A part of a trace, cut out to the nanosecond: what straddles its borders is clipped, so busy and idle sum to it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from profiler.trace.distinct import values
from profiler.trace.selection import Rows, kept, renumbering
from profiler.trace.timeline import Call, HostCalls, Ints, Operations, Ranges, Timeline

_LAUNCHING = (Call.LAUNCH, Call.GRAPH_LAUNCH)

HostTable = TypeVar("HostTable", HostCalls, Operations, Ranges)


def window(timeline: Timeline, start_ns: int, end_ns: int, *, followed: bool = False) -> Timeline:
    """What runs in [start, end), renumbered; references to rows outside become -1.

    Device rows, host calls, operations and ranges are clipped; of device rows it is kept how long they were. A call or
    operation from before the window stays if it launched what runs within, as one that takes no time at the start:
    nothing within waits for it. A call within that launched only what runs later is plain host work here.

    With `followed`, what starts next on the device is there as well, without duration at the window's end. It ends the
    idle time before it: the graph of a window needs it to know what that time was spent waiting for. The host's calls
    up to its launch belong to it.
    """
    device = timeline.device
    inside = (device.end_ns > start_ns) & (device.start_ns < end_ns)
    inside |= (device.start_ns == device.end_ns) & (device.start_ns >= start_ns) & (device.start_ns < end_ns)
    if followed:
        later = np.flatnonzero((device.start_ns >= end_ns) & ~inside)
        inside[later[:1]] = True
    calls = _overlaps(timeline.host, start_ns, end_ns) | _named(device.call[inside], len(timeline.host))
    operations = _overlaps(timeline.operations, start_ns, end_ns)
    operations |= _named(np.append(device.operation[inside], timeline.host.operation[calls]), len(operations))
    operations |= _named(_ancestors(timeline.operations.parent, operations), len(operations))
    ranges = _overlaps(timeline.ranges, start_ns, end_ns)
    ranges |= _named(timeline.operations.module[operations], len(ranges))
    ranges |= _named(_ancestors(timeline.ranges.parent, ranges), len(ranges))

    new_call, new_operation, new_range = renumbering(calls), renumbering(operations), renumbering(ranges)
    cut = kept(device, inside)
    elsewhere = _named(device.call, len(timeline.host)) & ~_named(device.call[inside], len(timeline.host))
    host = _clipped(kept(timeline.host, calls), start_ns, end_ns)
    ops = _clipped(kept(timeline.operations, operations), start_ns, end_ns)
    spans = _clipped(kept(timeline.ranges, ranges), start_ns, end_ns)
    overhead = timeline.overhead[(timeline.overhead[:, 0] < end_ns) & (timeline.overhead[:, 1] > start_ns)]
    return replace(
        timeline,
        device=replace(
            cut,
            start_ns=np.clip(cut.start_ns, start_ns, end_ns),
            end_ns=np.clip(cut.end_ns, start_ns, end_ns),
            call=new_call[cut.call],
            operation=new_operation[cut.operation],
            window_ns=(start_ns, end_ns),
            whole_ns=cut.end_ns - cut.start_ns if cut.whole_ns is None else cut.whole_ns,
        ),
        host=replace(
            host,
            operation=new_operation[host.operation],
            kind=np.where(np.isin(host.kind, _LAUNCHING) & elsewhere[calls], int(Call.OTHER), host.kind),
        ),
        operations=replace(ops, parent=new_operation[ops.parent], module=new_range[ops.module]),
        ranges=replace(spans, parent=new_range[spans.parent]),
        overhead=np.clip(overhead, start_ns, end_ns),
    )


def _overlaps(table: HostTable, start_ns: int, end_ns: int) -> Rows:
    rows: Rows = (table.end_ns > start_ns) & (table.start_ns < end_ns)
    return rows


def _clipped(table: HostTable, start_ns: int, end_ns: int) -> HostTable:
    return replace(
        table, start_ns=np.clip(table.start_ns, start_ns, end_ns), end_ns=np.clip(table.end_ns, start_ns, end_ns)
    )


def _named(numbers: Ints, count: int) -> Rows:
    """The rows that these numbers name."""
    rows = np.zeros(count + 1, np.bool_)
    rows[numbers] = True
    return rows[:count]


def _ancestors(parent: Ints, rows: Rows) -> Ints:
    """The rows around these rows, up to the outermost."""
    found = [np.empty(0, np.int64)]
    current = values(parent[rows])
    while len(current := current[current >= 0]):
        found.append(current)
        current = values(parent[current])
    return np.concatenate(found)
