"""Reads the traces that PyTorch's profiler (Kineto) writes: Chrome trace JSON, plain or gzipped, old schema and new.

Only the columns of a `Timeline` and the numbers of the device's properties are taken. Everything else that a trace
may carry (environment, host and user names) is never decoded, so it cannot be passed on. Python's functions are taken
as they are called: `profiler.trace.python_frames` leaves out where their files lie.

The text is read in slices, and each slice once, by a decoder that skips what it is not asked for at about 1 GB/s. The
events that are wanted become columns, many slices' at a time. ADR 13 has the measurements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from profiler.errors import UnreadableError
from profiler.trace.event_decoder import EventDecoder, Text
from profiler.trace.event_types import CallEvent, DeviceEvent, Event, OperationEvent, SyncEvent
from profiler.trace.linking import linked
from profiler.trace.records import Records
from profiler.trace.slices import NoTextError, each_slice
from profiler.trace.timeline import ProcessRank, Timeline
from profiler.trace.trace_file import MAX_BYTES, TraceSource, chunks

# The decoder counts bytes and events from the start of what it was given: a slice, or the events of one kind in it.
_BYTE = re.compile(r" \(byte \d+\)")
_EVENT = re.compile(r"(?<=`)\$(\.traceEvents)?\[\d+\]")
_NO_EVENTS = "missing required field `traceEvents`"  # as the decoder says it
_HINT = "give a trace written by torch.profiler: .json or .json.gz"


class EventKind(Struct, frozen=True):
    """Events that are read alike: their categories in the new schema and, in lower case, before torch 1.11."""

    categories: tuple[str, ...]
    event: type[msgspec.Struct]
    add: Callable[[Records, Any], None]
    on_device: bool = False


def _kind(categories: str, event: type[Any], add: Callable[[Records, Any], None], on_device: bool = False) -> EventKind:
    return EventKind(tuple(categories.split()), event, add, on_device)


EVENT_KINDS = (
    _kind("kernel", DeviceEvent, Records.add_kernels, on_device=True),
    _kind("gpu_memcpy memcpy", DeviceEvent, Records.add_copies, on_device=True),
    _kind("gpu_memset memset", DeviceEvent, Records.add_memsets, on_device=True),
    _kind("cuda_runtime cuda_driver hip_runtime hip_driver runtime", CallEvent, Records.add_calls),
    _kind("cpu_op operator", OperationEvent, Records.add_operations),
    _kind("user_annotation", Event, Records.add_ranges),
    _kind("cuda_sync", SyncEvent, Records.add_waits),
    _kind("overhead", Event, Records.add_overhead),
    _kind("python_function", Event, Records.add_frames),
)
# Columns are made of the events of so much text at once: of less, each call of numpy counts; more fits into no cache.
_TEXT_BYTES = 1 << 20
DEVICE_PROPERTIES = frozenset(
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


def read_kineto(source: str | TraceSource, *, device_only: bool = False, max_bytes: int = MAX_BYTES) -> Timeline:
    """The timeline of one trace: a file, its bytes or a stream; with `device_only` nothing but what ran on the devices.

    Times are Unix nanoseconds where the trace carries its base (torch >= 2.4), else on the trace's own clock.
    Raises `UnreadableError`, in one line, when there is no such file, it holds no trace, or more text than `max_bytes`.
    """
    name = str(source) if isinstance(source, str | Path) else "the trace"
    try:
        with closing(chunks(source, name, max_bytes)) as text:
            reading = _Reading([kind for kind in EVENT_KINDS if kind.on_device or not device_only])
            read = each_slice(text, reading.take)
        records, around = reading.records(), read.surroundings
        flaws = records.flaws(read.cut)
        if read.is_bare and not flaws.events:
            raise ValueError("it is a list, and none of its items is an event of a profiler")
        properties = [{k: v for k, v in p.items() if k in DEVICE_PROPERTIES} for p in around.properties]
        timeline = linked(records, around.base_ns, properties)
        return replace(timeline, flaws=flaws, process=_process(around.distributed))
    except NoTextError as error:
        raise UnreadableError(f"{name} is empty", _HINT) from error
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise UnreadableError(f"{name} is not a PyTorch profiler trace: {_reason(error)}", _HINT) from error


def _process(distributed: Any) -> ProcessRank | None:
    """What `torch.distributed` wrote of itself, of which nothing but two numbers is taken."""
    told = distributed if isinstance(distributed, dict) else {}
    rank, size = told.get("rank"), told.get("world_size")
    return ProcessRank(rank, size) if type(rank) is int and type(size) is int and 0 <= rank < size else None


def _reason(error: Exception) -> str:
    if _NO_EVENTS in str(error):
        return "it has no list of `traceEvents`"
    if isinstance(error, OverflowError):
        return "a number in it is too large"
    return _EVENT.sub("event", _BYTE.sub("", str(error))) or "it cannot be decoded"


class _Reading:
    """The events of slices on their way into columns."""

    def __init__(self, kinds: Sequence[EventKind]) -> None:
        self._records = Records()
        self._pending: list[tuple[EventKind, list[Any]]] = [(kind, []) for kind in kinds]
        self._by_category = {category: events for kind, events in self._pending for category in kind.categories}
        self._decoder = EventDecoder({category: kind.event for kind in kinds for category in kind.categories})
        self._pending_bytes = 0

    def take(self, text: Text) -> None:
        """Take the events of a list. Raises `msgspec.DecodeError`, and takes none, where it is none."""
        self._decoder.decode(text, self._by_category)
        self._pending_bytes += len(memoryview(text))
        if self._pending_bytes >= _TEXT_BYTES:
            self._put()

    def records(self) -> Records:
        """All that was taken."""
        self._put()
        self._records.timeless += self._decoder.undecodable
        return self._records

    def _put(self) -> None:
        for kind, events in self._pending:
            if events:
                kind.add(self._records, events)
                events.clear()
        self._pending_bytes = 0
