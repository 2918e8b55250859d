"""The reader again, as plainly as can be: Python's own JSON, a loop, dictionaries. Slow, and easy to believe."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from profiler.trace.classification import call_kind, copy_activity, kernel_activity
from profiler.trace.timeline import Activity, Call, Timeline

Row = dict[str, Any]
_WORK = (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET)
_CALLS = ("cuda_runtime", "cuda_driver", "hip_runtime", "hip_driver", "runtime")
_RANGES = ("ProfilerStep#", "enumerate(DataLoader)#", "Optimizer.")  # which the old schema calls operations


def plain_rows(text: bytes) -> dict[str, list[Row]]:
    """The rows of each table, sorted, with the rows that they point at named by start, end and name."""
    trace = json.loads(text, parse_float=Decimal)
    tables: dict[str, list[Row]] = {"device": [], "host": [], "operations": [], "ranges": []}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            _sort_in(event, trace.get("baseTimeNanoseconds", 0), tables)
    operations = sorted(tables["operations"], key=_outer_first)
    ranges = sorted(tables["ranges"], key=_outer_first)
    calls = sorted(tables["host"], key=_outer_first)
    by_external = {row["external"]: row for row in operations if row["external"] > 0}
    _nest(operations, operations, "parent")
    _nest(ranges, ranges, "parent")
    _nest(calls, operations, "operation")
    for call in calls:
        named = by_external.get(call["external"])
        if call["operation"] is None and named and named["start"] <= call["start"] <= named["end"]:
            call["operation"] = named
    launchers = {
        row["correlation"]: row for row in sorted(calls, key=lambda row: row["kind"] in _WORK) if row["correlation"] > 0
    }
    for row in tables["device"]:
        named = by_external.get(row["external"])
        row["call"] = launchers.get(row["correlation"])
        row["operation"] = row["call"] and row["call"]["operation"]
        if row["operation"] is None and named and named["start"] <= row["start"]:
            row["operation"] = named
    return {table: _comparable(rows) for table, rows in tables.items()}


def rows_of(timeline: Timeline) -> dict[str, list[Row]]:
    """The same of a timeline."""
    device, host, operations, ranges = timeline.device, timeline.host, timeline.operations, timeline.ranges
    range_rows = _rows(timeline, ranges)
    operation_rows = _rows(timeline, operations)
    for row, (shapes, types, concrete, strides) in enumerate(
        zip(operations.shapes, operations.types, operations.concrete, operations.strides, strict=True)
    ):
        operation_rows[row] |= {"inputs": (shapes, types, concrete, strides)}
    host_rows = _rows(timeline, host, "kind", "correlation")
    numbers = ("kind", "device", "stream", "correlation", "bytes", "registers", "shared_bytes")
    device_rows = _rows(timeline, device, *numbers)
    for row, (grid, block) in enumerate(zip(device.grid.tolist(), device.block.tolist(), strict=True)):
        device_rows[row] |= {"grid": grid, "block": block}
    _point(range_rows, "parent", ranges.parent, range_rows)
    _point(operation_rows, "parent", operations.parent, operation_rows)
    _point(host_rows, "operation", host.operation, operation_rows)
    _point(device_rows, "call", device.call, host_rows)
    _point(device_rows, "operation", device.operation, operation_rows)
    tables = {"device": device_rows, "host": host_rows, "operations": operation_rows, "ranges": range_rows}
    return {table: _comparable(rows) for table, rows in tables.items()}


def _sort_in(event: Row, base_ns: int, tables: dict[str, list[Row]]) -> None:
    category, name, args = event["cat"].lower(), event["name"], event.get("args", {})
    start = base_ns + round(Decimal(event["ts"]) * 1000)
    row = {"start": start, "end": start + round(Decimal(event["dur"]) * 1000), "name": name}
    tid = event["tid"] if isinstance(event["tid"], int) else -1
    identity = {"external": int(args.get("External id", -1))}
    correlation = {"correlation": int(args.get("correlation", -1))}
    if category in ("kernel", "gpu_memcpy", "memcpy", "gpu_memset", "memset"):
        kind = kernel_activity(name) if category == "kernel" else Activity.MEMSET
        tables["device"].append(
            row
            | identity
            | correlation
            | {"kind": copy_activity(name) if "memcpy" in category else kind}
            | {key: args.get(key, -1) for key in ("device", "stream", "bytes")}
            | {"registers": args.get("registers per thread", -1), "shared_bytes": args.get("shared memory", -1)}
            | {key: args.get(key, [-1, -1, -1]) for key in ("grid", "block")}
        )
    elif category in _CALLS:
        tables["host"].append(row | identity | correlation | {"thread": tid, "kind": call_kind(name)})
    elif category == "user_annotation" or (category in ("cpu_op", "operator") and name.startswith(_RANGES)):
        tables["ranges"].append(row | {"thread": tid})
    elif category in ("cpu_op", "operator"):
        names = ("Input Dims", "Input type", "Concrete Inputs", "Input Strides")
        inputs = tuple(args.get(key, []) for key in names)
        tables["operations"].append(row | identity | {"thread": tid, "inputs": inputs})


def _nest(inner: list[Row], outer: list[Row], link: str) -> None:
    """Of each inner row the last outer one on its thread that starts no later and ends no sooner; both are sorted."""
    open_rows: dict[int, list[Row]] = {}
    coming = iter([*outer, None])
    following = next(coming)
    for row in inner:
        while following is not None and following is not row and following["start"] <= row["start"]:
            open_rows.setdefault(following["thread"], []).append(following)
            following = next(coming)
        stack = open_rows.setdefault(row["thread"], [])
        while stack and stack[-1]["end"] < row["start"]:
            stack.pop()
        row[link] = next((around for around in reversed(stack) if around["end"] >= row["end"]), None)


def _outer_first(row: Row) -> tuple[int, int]:
    return row["start"], -row["end"]


def _rows(timeline: Timeline, table: Any, *columns: str) -> list[Row]:
    given = {"start": table.start_ns, "end": table.end_ns} | {column: getattr(table, column) for column in columns}
    values = {column: values.tolist() for column, values in given.items()}
    values["name"] = [timeline.names[name] for name in table.name.tolist()]
    if hasattr(table, "thread"):
        values["thread"] = [timeline.threads[thread] for thread in table.thread.tolist()]
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _point(rows: list[Row], link: str, column: Any, targets: list[Row]) -> None:
    for row, target in zip(rows, column.tolist(), strict=True):
        row[link] = targets[target] if target >= 0 else None


def _comparable(rows: Iterable[Row]) -> list[Row]:
    named = [
        {
            key: (value["start"], value["end"], value["name"]) if isinstance(value, dict) else value
            for key, value in row.items()
            if key != "external"
        }
        for row in rows
    ]
    return sorted(named, key=lambda row: (row["start"], row["end"], row["name"], repr(sorted(row.items(), key=str))))
