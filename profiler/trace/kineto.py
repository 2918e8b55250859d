"""Reads the traces that PyTorch's profiler (Kineto) writes: Chrome trace JSON, plain or gzipped, old schema and new.

Only the columns of a `Timeline` and the numbers of the device's properties are taken. Everything else that a trace
may carry (environment, host and user names, call stacks) is never decoded, so it cannot be passed on.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from profiler.errors import UnreadableError
from profiler.trace.classification import call_kind, copy_activity, kernel_activity
from profiler.trace.nesting import enclosing, parents
from profiler.trace.timeline import (
    MODULE_PREFIX,
    Activity,
    Call,
    DeviceEvents,
    HostCalls,
    Ints,
    Operations,
    Ranges,
    Timeline,
)

_GZIP_MAGIC = b"\x1f\x8b"
_HINT = "give a trace written by torch.profiler: .json or .json.gz"

# Categories of the new schema, and of the one before torch 1.11 in lower case.
_KERNEL = frozenset({"kernel"})
_COPY = frozenset({"gpu_memcpy", "memcpy"})
_MEMSET = frozenset({"gpu_memset", "memset"})
_CALL = frozenset({"cuda_runtime", "cuda_driver", "hip_runtime", "hip_driver", "runtime"})
_OPERATION = frozenset({"cpu_op", "operator"})
_RANGE = frozenset({"user_annotation"})
_SYNC = frozenset({"cuda_sync"})
_OVERHEAD = frozenset({"overhead"})

_DEVICE_PROPERTIES = frozenset(
    {
        "id",
        "name",
        "totalGlobalMem",
        "computeMajor",
        "computeMinor",
        "maxThreadsPerBlock",
        "maxThreadsPerMultiprocessor",
        "regsPerBlock",
        "regsPerMultiprocessor",
        "warpSize",
        "sharedMemPerBlock",
        "sharedMemPerBlockOptin",
        "sharedMemPerMultiprocessor",
        "maxSharedMemoryPerMultiProcessor",
        "numSms",
    }
)


class _Event(msgspec.Struct):
    """One trace event; what depends on its category stays undecoded until that is known."""

    ph: str = ""
    cat: str = ""
    name: str = ""
    pid: int | str = -1
    tid: int | str = -1
    ts: msgspec.Raw = msgspec.Raw(b"0")
    dur: msgspec.Raw = msgspec.Raw(b"0")
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _Trace(msgspec.Struct):
    events: list[_Event] = msgspec.field(name="traceEvents")
    base_ns: int = msgspec.field(name="baseTimeNanoseconds", default=0)
    properties: list[dict[str, Any]] = msgspec.field(name="deviceProperties", default_factory=list)


class _DeviceArguments(msgspec.Struct):
    external: int = msgspec.field(name="External id", default=-1)
    correlation: int = -1
    device: int = -1
    stream: int = -1
    bytes: int = -1
    grid: list[int] | None = None
    block: list[int] | None = None
    registers: int = msgspec.field(name="registers per thread", default=-1)
    shared_bytes: int = msgspec.field(name="shared memory", default=-1)


class _CallArguments(msgspec.Struct):
    external: int = msgspec.field(name="External id", default=-1)
    correlation: int = -1


class _OperationArguments(msgspec.Struct):
    external: int = msgspec.field(name="External id", default=-1)
    shapes: list[Any] = msgspec.field(name="Input Dims", default_factory=list)
    types: list[str] = msgspec.field(name="Input type", default_factory=list)
    concrete: list[Any] = msgspec.field(name="Concrete Inputs", default_factory=list)


class _SyncArguments(msgspec.Struct):
    correlation: int = -1
    stream: int = -1
    wait_on_record: int = msgspec.field(name="wait_on_cuda_event_record_corr_id", default=-1)


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)  # numbers in quotes occur


_TRACE = msgspec.json.Decoder(_Trace)
_EVENTS = msgspec.json.Decoder(list[_Event])
_DEVICE_ARGUMENTS = _decoder(_DeviceArguments)
_CALL_ARGUMENTS = _decoder(_CallArguments)
_OPERATION_ARGUMENTS = _decoder(_OperationArguments)
_SYNC_ARGUMENTS = _decoder(_SyncArguments)


def read_kineto(source: str | Path | bytes) -> Timeline:
    """The timeline of one trace file, or of its bytes.

    Times are Unix nanoseconds where the trace carries its base (torch >= 2.4), else on the trace's own clock.
    Raises `UnreadableError`, in one line, when there is no such file or it holds no trace.
    """
    name = "the trace" if isinstance(source, bytes) else str(source)
    trace = _decode(_content(source, name), name)
    try:
        return _Reader(trace.base_ns).read(trace)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, OverflowError) as error:
        raise UnreadableError(f"{name} is not a PyTorch profiler trace: {error}", _HINT) from error


def _content(source: str | Path | bytes, name: str) -> bytes:
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read {name}: {error.strerror}") from error
    if data.startswith(_GZIP_MAGIC):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableError(f"{name} is a damaged gzip file: {error}", "copy or record it again") from error
    if not data.strip():
        raise UnreadableError(f"{name} is empty", _HINT)
    return data


def _decode(data: bytes, name: str) -> _Trace:
    try:
        return _Trace(_EVENTS.decode(data)) if data.lstrip().startswith(b"[") else _TRACE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{name} is not a PyTorch profiler trace: {error}", _HINT) from error


def nanoseconds(microseconds: bytes) -> int:
    """Exact integer ns from the decimal text of microseconds, e.g. `b"1712195495706040.241"`.

    A float of microseconds since the epoch is only good to 250 ns.
    """
    whole, _, fraction = microseconds.partition(b".")
    if len(fraction) <= 3 and (whole + fraction).isdigit():
        return int(whole + fraction.ljust(3, b"0"))
    return round(Decimal(microseconds.decode()) * 1000)


class _Names:
    """Gives each distinct name its number."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self.rows.setdefault(name, len(self.rows))


class _Cached(dict[str, int]):
    """Remembers what a function of a name said: traces repeat few names many times."""

    def __init__(self, function: Callable[[str], int]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, name: str) -> int:
        self[name] = value = int(self._function(name))
        return value


class _Reader:
    """Sorts the events of one trace into rows, then links the rows."""

    def __init__(self, base_ns: int) -> None:
        self.base_ns = base_ns
        self.names = _Names()
        self.threads: dict[int | str, int] = {}
        self.device: list[tuple[int, ...]] = []
        self.calls: list[tuple[int, ...]] = []
        self.operations: list[tuple[int, ...]] = []
        self.inputs: list[_OperationArguments] = []
        self.ranges: list[tuple[int, ...]] = []
        self.overhead: list[tuple[int, int]] = []
        self.waits: dict[int, _SyncArguments] = {}
        self.kernel_kind = _Cached(kernel_activity)
        self.copy_kind = _Cached(copy_activity)
        self.call_kind = _Cached(call_kind)

    def read(self, trace: _Trace) -> Timeline:
        for event in trace.events:
            if event.ph == "X":
                self._sort_in(event)
        operations, external = self._linked_operations()
        ranges = self._linked_ranges()
        calls = self._linked_calls(operations, external)
        device = self._linked_device(calls, external)
        _locate_modules(operations, ranges, list(self.names.rows))
        return Timeline(
            names=list(self.names.rows),
            threads=[tid if isinstance(tid, int) else -1 for tid in self.threads],
            device=device,
            host=calls,
            operations=operations,
            ranges=ranges,
            overhead=_columns(self.overhead, 2),
            device_properties=[{k: v for k, v in p.items() if k in _DEVICE_PROPERTIES} for p in trace.properties],
        )

    def _sort_in(self, event: _Event) -> None:
        category = event.cat.lower()
        if category in _KERNEL:
            self._add_device(event, self.kernel_kind[event.name])
        elif category in _COPY:
            self._add_device(event, self.copy_kind[event.name])
        elif category in _MEMSET:
            self._add_device(event, Activity.MEMSET)
        elif category in _CALL:
            call: _CallArguments = _CALL_ARGUMENTS.decode(event.args)
            kind = self.call_kind[event.name]
            self.calls.append((*self._host_row(event), kind, call.correlation, call.external))
        elif category in _RANGE or (category in _OPERATION and event.name.startswith("ProfilerStep#")):
            self.ranges.append(self._host_row(event))
        elif category in _OPERATION:
            inputs: _OperationArguments = _OPERATION_ARGUMENTS.decode(event.args)
            self.operations.append((*self._host_row(event), inputs.external))
            self.inputs.append(inputs)
        elif category in _SYNC:
            wait: _SyncArguments = _SYNC_ARGUMENTS.decode(event.args)
            self.waits[wait.correlation] = wait
        elif category in _OVERHEAD:
            self.overhead.append(self._span(event))

    def _span(self, event: _Event) -> tuple[int, int]:
        start = self.base_ns + nanoseconds(bytes(event.ts))
        return start, start + max(0, nanoseconds(bytes(event.dur)))

    def _host_row(self, event: _Event) -> tuple[int, int, int, int]:
        thread = self.threads.setdefault(event.tid, len(self.threads))
        return (*self._span(event), self.names[event.name], thread)

    def _add_device(self, event: _Event, kind: int) -> None:
        a: _DeviceArguments = _DEVICE_ARGUMENTS.decode(event.args)
        grid, block = a.grid or (-1, -1, -1), a.block or (-1, -1, -1)
        sizes = (a.correlation, a.bytes, a.registers, a.shared_bytes, a.external)
        self.device.append(
            (*self._span(event), kind, self.names[event.name], a.device, a.stream, *sizes, *grid[:3], *block[:3])
        )

    def _linked_operations(self) -> tuple[Operations, dict[int, int]]:
        table = _columns(self.operations, 5)
        order = np.lexsort((-table[:, 1], table[:, 0]))
        start, end, name, thread, external = table[order].T.copy()
        inputs = [self.inputs[row] for row in order.tolist()]
        operations = Operations(
            start_ns=start,
            end_ns=end,
            name=name,
            thread=thread,
            parent=parents(start, end, thread),
            module=np.full(len(order), -1, np.int64),
            shapes=[i.shapes for i in inputs],
            types=[i.types for i in inputs],
            concrete=[i.concrete for i in inputs],
        )
        return operations, {identity: row for row, identity in enumerate(external.tolist()) if identity > 0}

    def _linked_ranges(self) -> Ranges:
        table = _columns(self.ranges, 4)
        start, end, name, thread = table[np.lexsort((-table[:, 1], table[:, 0]))].T.copy()
        return Ranges(start, end, name, thread, parent=parents(start, end, thread))

    def _linked_calls(self, operations: Operations, external: dict[int, int]) -> HostCalls:
        table = _columns(self.calls, 7)
        table = table[np.lexsort((-table[:, 1], table[:, 0]))]
        start, end, name, thread, kind, correlation, identity = table.T.copy()
        around = enclosing((operations.start_ns, operations.end_ns, operations.thread), start, end, thread)
        stream, waits_for = np.full((2, len(table)), -1, np.int64)
        for row in np.flatnonzero(np.isin(kind, (Call.SYNC, Call.EVENT_WAIT))).tolist():
            if wait := self.waits.get(int(correlation[row])):
                stream[row], waits_for[row] = wait.stream, wait.wait_on_record
        # An External id can be a bare correlation number, so it only counts where the times agree.
        named = _looked_up(identity, external)
        at_that_time = (np.append(operations.start_ns, 0)[named] <= start) & (
            np.append(operations.end_ns, -1)[named] >= start
        )
        return HostCalls(
            start_ns=start,
            end_ns=end,
            kind=kind,
            name=name,
            thread=thread,
            correlation=correlation,
            operation=np.where(around >= 0, around, np.where(at_that_time, named, -1)),
            stream=stream,
            waits_for=waits_for,
        )

    def _linked_device(self, calls: HostCalls, external: dict[int, int]) -> DeviceEvents:
        table = _columns(self.device, 17)
        table = table[np.lexsort((table[:, 1], table[:, 0]))]
        (start, end, kind, name, device, stream, correlation, size, registers, shared, identity) = table[
            :, :11
        ].T.copy()
        call = _looked_up(correlation, _launchers(calls))
        launched_in = np.append(calls.operation, -1)[call]
        texts = list(self.names.rows)
        pageable = np.fromiter(("Pageable" in texts[row] for row in name.tolist()), np.bool_, len(name))
        return DeviceEvents(
            start_ns=start,
            end_ns=end,
            kind=kind,
            name=name,
            device=device,
            stream=stream,
            correlation=correlation,
            bytes=size,
            pageable=pageable,
            grid=table[:, 11:14].copy(),
            block=table[:, 14:17].copy(),
            registers=registers,
            shared_bytes=shared,
            call=call,
            operation=np.where(launched_in >= 0, launched_in, _looked_up(identity, external)),
        )


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> Ints:
    return np.array(rows, np.int64).reshape(len(rows), width)


def _looked_up(keys: Ints, rows: dict[int, int]) -> Ints:
    return np.fromiter((rows.get(key, -1) for key in keys.tolist()), np.int64, len(keys))


def _launchers(calls: HostCalls) -> dict[int, int]:
    """Row by correlation. A driver call may repeat its runtime call's correlation: what launches work wins."""
    works = np.isin(calls.kind, (Call.LAUNCH, Call.GRAPH_LAUNCH, Call.COPY, Call.MEMSET))
    rows = dict(zip(calls.correlation[~works].tolist(), np.flatnonzero(~works).tolist(), strict=True))
    rows.update(zip(calls.correlation[works].tolist(), np.flatnonzero(works).tolist(), strict=True))
    for nothing in (-1, 0):
        rows.pop(nothing, None)
    return rows


def _locate_modules(operations: Operations, ranges: Ranges, names: list[str]) -> None:
    """Fill `operations.module` in place: the innermost module range around each operation."""
    module = np.flatnonzero([names[name].startswith(MODULE_PREFIX) for name in ranges.name.tolist()])
    outer = (ranges.start_ns[module], ranges.end_ns[module], ranges.thread[module])
    found = enclosing(outer, operations.start_ns, operations.end_ns, operations.thread)
    operations.module[:] = np.append(module, -1)[found]
