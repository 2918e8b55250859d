"""Links the rows of a trace to each other: activities to calls, calls to operations, operations to modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from profiler.trace.nesting import enclosing, parents
from profiler.trace.timeline import (
    MODULE_PREFIX,
    Call,
    DeviceEvents,
    HostCalls,
    Ints,
    Operations,
    Ranges,
    Timeline,
)

_WORK = (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The traced inputs of one operation; see `Operations`."""

    shapes: list[Any]
    types: list[str]
    concrete: list[Any]
    strides: list[Any]


@dataclass(frozen=True, slots=True)
class Records:
    """The rows of a trace as they were read, in any order. `external` is Kineto's External id, -1 if there is none."""

    names: dict[str, int] = field(default_factory=dict)
    threads: dict[int, int] = field(default_factory=dict)
    # start, end, kind, name, device, stream, correlation, bytes, registers, shared bytes, external, grid, block
    device: list[tuple[int, ...]] = field(default_factory=list)
    calls: list[tuple[int, ...]] = field(default_factory=list)  # start, end, name, thread, kind, correlation, external
    operations: list[tuple[int, ...]] = field(default_factory=list)  # start, end, name, thread, external
    inputs: list[Inputs] = field(default_factory=list)
    ranges: list[tuple[int, ...]] = field(default_factory=list)  # start, end, name, thread
    overhead: list[tuple[int, int]] = field(default_factory=list)  # start, end
    waits: dict[int, tuple[int, int]] = field(default_factory=dict)  # by correlation: stream, the event's record call
    device_properties: list[dict[str, Any]] = field(default_factory=list)


def linked(records: Records) -> Timeline:
    """The timeline that the records tell of. Nothing is dropped for want of a link: it gets -1."""
    names = list(records.names)
    ranges = _ranges(records)
    operations, external = _operations(records, ranges, names)
    calls = _calls(records, operations, external)
    return Timeline(
        names=names,
        threads=list(records.threads),
        device=_device(records, calls, operations, external, names),
        host=calls,
        operations=operations,
        ranges=ranges,
        overhead=_table(records.overhead, 2),
        device_properties=records.device_properties,
    )


def _ranges(records: Records) -> Ranges:
    table = _table(records.ranges, 4)
    start, end, name, thread = table[_outer_first(table)].T.copy()
    return Ranges(start, end, name, thread, parent=parents(start, end, thread))


def _operations(records: Records, ranges: Ranges, names: list[str]) -> tuple[Operations, dict[int, int]]:
    table = _table(records.operations, 5)
    order = _outer_first(table)
    start, end, name, thread, external = table[order].T.copy()
    inputs = [records.inputs[row] for row in order.tolist()]
    is_module = [names[name].startswith(MODULE_PREFIX) for name in ranges.name.tolist()]
    module = np.flatnonzero(is_module)
    outer = (ranges.start_ns[module], ranges.end_ns[module], ranges.thread[module])
    operations = Operations(
        start_ns=start,
        end_ns=end,
        name=name,
        thread=thread,
        parent=parents(start, end, thread),
        module=np.append(module, -1)[enclosing(outer, start, end, thread)],
        shapes=[given.shapes for given in inputs],
        types=[given.types for given in inputs],
        concrete=[given.concrete for given in inputs],
        strides=[given.strides for given in inputs],
    )
    return operations, {identity: row for row, identity in enumerate(external.tolist()) if identity > 0}


def _calls(records: Records, operations: Operations, external: dict[int, int]) -> HostCalls:
    table = _table(records.calls, 7)
    start, end, name, thread, kind, correlation, identity = table[_outer_first(table)].T.copy()
    around = enclosing((operations.start_ns, operations.end_ns, operations.thread), start, end, thread)
    # An External id can be a bare correlation number, so it only counts where the times agree.
    named = _looked_up(identity, external)
    in_time = (np.append(operations.start_ns, 0)[named] <= start) & (np.append(operations.end_ns, -1)[named] >= start)
    stream, waits_for = np.full((2, len(table)), -1, np.int64)
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


def _device(
    records: Records, calls: HostCalls, operations: Operations, external: dict[int, int], names: list[str]
) -> DeviceEvents:
    table = _table(records.device, 17)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    start, end, kind, name, device, stream, correlation, size, registers, shared, identity = table[:, :11].T.copy()
    call = _looked_up(correlation, _launchers(calls))
    launched_in = np.append(calls.operation, -1)[call]
    named = _looked_up(identity, external)
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
        grid=table[:, 11:14].copy(),
        block=table[:, 14:17].copy(),
        registers=registers,
        shared_bytes=shared,
        call=call,
        operation=np.where(launched_in >= 0, launched_in, named),
    )


def _launchers(calls: HostCalls) -> dict[int, int]:
    """Row of the call by correlation. Where two calls share one, that which launches work wins."""
    works = np.isin(calls.kind, _WORK)
    rows: dict[int, int] = {}
    for chosen in (np.flatnonzero(~works), np.flatnonzero(works)):
        rows.update(zip(calls.correlation[chosen].tolist(), chosen.tolist(), strict=True))
    return {correlation: row for correlation, row in rows.items() if correlation > 0}


def _table(rows: Sequence[tuple[int, ...]], width: int) -> Ints:
    return np.array(rows, np.int64).reshape(len(rows), width)


def _outer_first(table: Ints) -> Ints:
    return np.lexsort((-table[:, 1], table[:, 0]))


def _looked_up(keys: Ints, rows: dict[int, int]) -> Ints:
    return np.fromiter((rows.get(key, -1) for key in keys.tolist()), np.int64, len(keys))
