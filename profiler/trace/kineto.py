"""Reads the traces that PyTorch's profiler (Kineto) writes: Chrome trace JSON, plain or gzipped, old schema and new.

Only the columns of a `Timeline` and the numbers of the device's properties are taken. Everything else that a trace
may carry (environment, host and user names, call stacks) is never decoded, so it cannot be passed on.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from profiler.errors import UnreadableError
from profiler.trace.classification import call_kind, copy_activity, kernel_activity
from profiler.trace.linking import Inputs, Records, linked
from profiler.trace.timeline import Activity, Timeline

Value = TypeVar("Value", str, int)

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
    strides: list[Any] = msgspec.field(name="Input Strides", default_factory=list)


class _SyncArguments(msgspec.Struct):
    correlation: int = -1
    stream: int = -1
    wait_on_record: int = msgspec.field(name="wait_on_cuda_event_record_corr_id", default=-1)
    wait_on_stream: int = -1


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
        return linked(_sorted_in(trace))
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


class _Cached(dict[str, int]):
    """Remembers what a function of a name said: traces repeat few names many times."""

    def __init__(self, function: Callable[[str], int]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, name: str) -> int:
        self[name] = value = int(self._function(name))
        return value


def _sorted_in(trace: _Trace) -> Records:
    """The complete events, each as a row of the table that its category says."""
    records = Records(
        device_properties=[{k: v for k, v in p.items() if k in _DEVICE_PROPERTIES} for p in trace.properties]
    )
    kernel_kind, copy_kind, kind_of_call = _Cached(kernel_activity), _Cached(copy_activity), _Cached(call_kind)
    for event in trace.events:
        if event.ph != "X":
            continue
        category = event.cat.lower()
        if category in _KERNEL:
            records.device.append(_device_row(event, kernel_kind[event.name], trace, records))
        elif category in _COPY:
            records.device.append(_device_row(event, copy_kind[event.name], trace, records))
        elif category in _MEMSET:
            records.device.append(_device_row(event, Activity.MEMSET, trace, records))
        elif category in _CALL:
            call: _CallArguments = _CALL_ARGUMENTS.decode(event.args)
            row = _host_row(event, trace, records)
            records.calls.append((*row, kind_of_call[event.name], call.correlation, call.external))
        elif category in _RANGE or (category in _OPERATION and event.name.startswith("ProfilerStep#")):
            records.ranges.append(_host_row(event, trace, records))
        elif category in _OPERATION:
            given: _OperationArguments = _OPERATION_ARGUMENTS.decode(event.args)
            records.operations.append((*_host_row(event, trace, records), given.external))
            records.inputs.append(Inputs(given.shapes, given.types, given.concrete, given.strides))
        elif category in _SYNC:
            wait: _SyncArguments = _SYNC_ARGUMENTS.decode(event.args)
            records.waits[wait.correlation] = (wait.stream, wait.wait_on_record)
            if wait.wait_on_record >= 0:  # only who waits for an event says on which stream it was recorded
                records.waits.setdefault(wait.wait_on_record, (wait.wait_on_stream, -1))
        elif category in _OVERHEAD:
            records.overhead.append(_span(event, trace))
    return records


def _span(event: _Event, trace: _Trace) -> tuple[int, int]:
    start = trace.base_ns + nanoseconds(bytes(event.ts))
    return start, start + max(0, nanoseconds(bytes(event.dur)))


def _host_row(event: _Event, trace: _Trace, records: Records) -> tuple[int, int, int, int]:
    tid = event.tid if isinstance(event.tid, int) else -1
    return (*_span(event, trace), _number(event.name, records.names), _number(tid, records.threads))


def _device_row(event: _Event, kind: int, trace: _Trace, records: Records) -> tuple[int, ...]:
    a: _DeviceArguments = _DEVICE_ARGUMENTS.decode(event.args)
    grid, block = a.grid or (-1, -1, -1), a.block or (-1, -1, -1)
    name = _number(event.name, records.names)
    sizes = (a.correlation, a.bytes, a.registers, a.shared_bytes, a.external)
    return (*_span(event, trace), kind, name, a.device, a.stream, *sizes, *grid[:3], *block[:3])


def _number(value: Value, numbers: dict[Value, int]) -> int:
    """The number of a distinct value, given in the order in which values appear."""
    return numbers.setdefault(value, len(numbers))
