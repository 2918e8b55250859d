"""Reads the traces that PyTorch's profiler (Kineto) writes: Chrome trace JSON, plain or gzipped, old schema and new.

Only the columns of a `Timeline` and the numbers of the device's properties are taken. Everything else that a trace
may carry (environment, host and user names) is never decoded, so it cannot be passed on. Python's functions are taken
as they are called: `profiler.trace.python_frames` leaves out where their files lie.

The text is read in slices, and each slice twice, by a decoder that skips what it is not asked for at about 1 GB/s:
first the category of each event, then what is wanted of all events of one kind. ADR 13 has the measurements.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from profiler.errors import UnreadableError
from profiler.trace.event_types import NO_TIME, CallEvent, DeviceEvent, Event, OperationEvent, SyncEvent
from profiler.trace.linking import linked
from profiler.trace.records import Records, Remembered
from profiler.trace.slices import Head, NoTextError, each_slice
from profiler.trace.timeline import Timeline
from profiler.trace.trace_file import MAX_BYTES, chunks

# The decoder counts bytes and events from the start of what it was given: a slice, or the events of one kind in it.
_BYTE = re.compile(r" \(byte \d+\)")
_EVENT = re.compile(r"(?<=`)\$(\.traceEvents)?\[\d+\]")
_HINT = "give a trace written by torch.profiler: .json or .json.gz"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Events that are read alike: their categories in the new schema and, in lower case, before torch 1.11."""

    categories: frozenset[str]
    event: type[Any]
    decoder: msgspec.json.Decoder[Any]
    add: Callable[[Records, Any], None]
    on_device: bool = False


def _kind(categories: str, event: type[Any], add: Callable[[Records, Any], None], on_device: bool = False) -> _Kind:
    decoder = msgspec.json.Decoder(list[event], strict=False)  # type: ignore[valid-type]  # numbers in quotes occur
    return _Kind(frozenset(categories.split()), event, decoder, add, on_device)


_KINDS = (
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


def read_kineto(source: str | Path | bytes, *, device_only: bool = False, max_bytes: int = MAX_BYTES) -> Timeline:
    """The timeline of one trace file, or of its bytes; with `device_only` nothing but what ran on the devices.

    Times are Unix nanoseconds where the trace carries its base (torch >= 2.4), else on the trace's own clock.
    Raises `UnreadableError`, in one line, when there is no such file, it holds no trace, or more text than `max_bytes`.
    """
    name = "the trace" if isinstance(source, bytes) else str(source)
    records = Records()
    kinds = tuple(kind for kind in _KINDS if kind.on_device or not device_only)
    try:
        with closing(chunks(source, name, max_bytes)) as text:
            read = each_slice(text, lambda heads, events: _sort_in(heads, events, kinds, records))
        around = read.surroundings
        properties = [{k: v for k, v in p.items() if k in _DEVICE_PROPERTIES} for p in around.properties]
        return replace(linked(records, around.base_ns, properties), flaws=records.flaws(read.cut))
    except NoTextError as error:
        raise UnreadableError(f"{name} is empty", _HINT) from error
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise UnreadableError(f"{name} is not a PyTorch profiler trace: {_reason(error)}", _HINT) from error


def _reason(error: Exception) -> str:
    return _EVENT.sub("event", _BYTE.sub("", str(error))) or "it cannot be decoded"


def _sort_in(heads: list[Head], events: list[msgspec.Raw], kinds: tuple[_Kind, ...], records: Records) -> None:
    """The complete events of a slice, each as a row of the table that its category says."""
    texts: list[list[msgspec.Raw]] = [[] for _ in kinds]
    ignored: list[msgspec.Raw] = []
    of_kind = {category: texts[number] for number, kind in enumerate(kinds) for category in kind.categories}
    of_category = Remembered[str, list[msgspec.Raw]](lambda category: of_kind.get(category.lower(), ignored))
    for head, event in zip(heads, events, strict=True):
        if head.ph == "X":
            of_category[head.cat].append(event)
    for kind, found in zip(kinds, texts, strict=True):
        if found:
            decoded = kind.decoder.decode(b"[" + b",".join(found) + b"]")
            timed = decoded if kind.event is SyncEvent else [each for each in decoded if each.ts is not NO_TIME]
            records.timeless += len(decoded) - len(timed)
            kind.add(records, timed)
