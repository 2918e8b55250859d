"""Links the rows of a trace to each other: activities to calls, calls to operations, operations to modules."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from profiler.trace.nesting import enclosing, parents
from profiler.trace.records import Records
from profiler.trace.timeline import (
    MODULE_PREFIX,
    Call,
    DeviceEvents,
    Frames,
    HostCalls,
    Ints,
    Operations,
    Ranges,
    Timeline,
)

_WORK = (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET)


def linked(records: Records, base_ns: int, device_properties: list[dict[str, Any]]) -> Timeline:
    """The timeline that the records tell of. Nothing is dropped for want of a link: it gets -1."""
    names = list(records.names)
    ranges = _ranges(records.ranges.since(base_ns))
    external, operations = _operations(records, records.operations.since(base_ns), ranges, names)
    calls = _calls(records, records.calls.since(base_ns), operations, external)
    return Timeline(
        names=names,
        threads=list(records.threads),
        device=_device(records.device.since(base_ns), calls, operations, external, names),
        host=calls,
        operations=operations,
        ranges=ranges,
        overhead=records.overhead.since(base_ns).T.copy(),
        device_properties=device_properties,
        frames=Frames(*records.frames.since(base_ns)),
        stacks=[_text(stack) for stack in records.stacks],
    )


def _text(raw: bytes) -> str:
    """What a text of a trace says; nothing where it is none."""
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.MsgspecError:
        return ""


def _ranges(table: Ints) -> Ranges:
    start, end, name, thread = table[:, _outer_first(table)]
    return Ranges(start, end, name, thread, parent=parents(start, end, thread))


def _operations(records: Records, table: Ints, ranges: Ranges, names: list[str]) -> tuple[_Rows, Operations]:
    order = _outer_first(table)
    start, end, name, thread, external, stack = table[:, order]
    is_module = np.array([name.startswith(MODULE_PREFIX) for name in names], np.bool_)
    module = np.flatnonzero(is_module[ranges.name])
    outer = (ranges.start_ns[module], ranges.end_ns[module], ranges.thread[module])
    rows = order.tolist()
    operations = Operations(
        start_ns=start,
        end_ns=end,
        name=name,
        thread=thread,
        parent=parents(start, end, thread),
        module=np.append(module, -1)[enclosing(outer, start, end, thread)],
        stack=stack,
        shapes=list(map(records.shapes.__getitem__, rows)),
        types=list(map(records.types.__getitem__, rows)),
        concrete=list(map(records.concrete.__getitem__, rows)),
        strides=list(map(records.strides.__getitem__, rows)),
    )
    return _Rows(external), operations


def _calls(records: Records, table: Ints, operations: Operations, external: _Rows) -> HostCalls:
    start, end, name, thread, kind, identity, correlation = table[:, _outer_first(table)]
    around = enclosing((operations.start_ns, operations.end_ns, operations.thread), start, end, thread)
    # An External id can be a bare correlation number, so it only counts where the times agree.
    named = external.of(identity)
    in_time = (np.append(operations.start_ns, 0)[named] <= start) & (np.append(operations.end_ns, -1)[named] >= start)
    stream, waits_for = np.full((2, len(start)), -1, np.int64)
    for row in np.flatnonzero(np.isin(kind, (Call.SYNC, Call.EVENT_WAIT, Call.EVENT_RECORD))).tolist():
        stream[row], waits_for[row] = records.waits.get(int(correlation[row]), (-1, -1))
    return HostCalls(
        start_ns=start,
        end_ns=end,
        kind=kind,
        name=name,
        thread=thread,
        correlation=correlation,
        operation=np.where(around >= 0, around, np.where(in_time, named, -1)),
        stream=stream,
        waits_for=waits_for,
    )


def _device(table: Ints, calls: HostCalls, operations: Operations, external: _Rows, names: list[str]) -> DeviceEvents:
    table = table[:, np.lexsort((table[1], table[0]))]
    start, end, kind, name, identity, correlation, device, stream, size, registers, shared = table[:11]
    call = _launchers(calls).of(correlation)
    launched_in = np.append(calls.operation, -1)[call]
    named = external.of(identity)
    named = np.where(np.append(operations.start_ns, 0)[named] <= start, named, -1)
    is_pageable = np.array(["Pageable" in text for text in names], np.bool_)
    return DeviceEvents(
        start_ns=start,
        end_ns=end,
        kind=kind,
        name=name,
        device=device,
        stream=stream,
        correlation=correlation,
        bytes=size,
        pageable=is_pageable[name],
        grid=table[11:14].T.copy(),
        block=table[14:17].T.copy(),
        group=table[17],
        registers=registers,
        shared_bytes=shared,
        call=call,
        operation=np.where(launched_in >= 0, launched_in, named),
    )


class _Rows:
    """The row of each identity; of several with one identity, the last. Identities start at 1."""

    def __init__(self, identities: Ints, rows: Ints | None = None) -> None:
        order = np.argsort(identities, kind="stable")
        self._sorted = identities[order]
        self._rows = order if rows is None else rows[order]

    def of(self, identities: Ints) -> Ints:
        """The row of each; -1 where there is none."""
        last = np.searchsorted(self._sorted, identities, side="right") - 1
        known = (last >= 0) & (identities > 0)
        known[known] = self._sorted[last[known]] == identities[known]
        return np.where(known, np.append(self._rows, -1)[last], -1)


def _launchers(calls: HostCalls) -> _Rows:
    """Row of the call by correlation. Where two calls share one, that which launches work wins."""
    works = np.isin(calls.kind, _WORK)
    rows = np.concatenate([np.flatnonzero(~works), np.flatnonzero(works)])
    return _Rows(calls.correlation[rows], rows)


def _outer_first(table: Ints) -> Ints:
    return np.lexsort((-table[1], table[0]))
