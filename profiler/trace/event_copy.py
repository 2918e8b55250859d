"""A trace's events once more, for a file that holds them beside what was found: what is read of them, and no more.

What an analysis does not look at is not copied: traces in the wild carry live tokens. Texts that it does look at are
copied as far as it looks: process groups by name or number, Python's files from their package on, of concrete inputs
those that are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from tempfile import TemporaryFile
from typing import IO, Any, Self

import msgspec
import numpy as np
from msgspec import Struct

from profiler.trace.decimals import column_of_nanoseconds, nanoseconds
from profiler.trace.event_decoder import Text
from profiler.trace.event_types import SyncEvent
from profiler.trace.group_names import plain_group
from profiler.trace.kineto import DEVICE_PROPERTIES, EVENT_KINDS, EventKind
from profiler.trace.numbered import Numbered
from profiler.trace.python_frames import frame_name, stack_names
from profiler.trace.reading_flaws import Cut
from profiler.trace.records import Remembered
from profiler.trace.slices import each_slice
from profiler.trace.timeline import Ints
from profiler.trace.trace_file import MAX_BYTES, TraceSource, chunks

TrackKey = tuple[str, int, int]
"""What an event lies on: `device` with its number and stream, `waits` with a stream, a host `thread`, `overhead`."""

UNDRAWN: TrackKey = ("undrawn", -1, -1)  # of events that do not say when they were, or end before they begin

_COMPLETE = "X"
_PLAIN_INPUT = re.compile(r"(?:[\d\s\[\](),.+-]|True|False|inf|nan|e)*")
_GROUP, _RANKS = "Process Group Name", "Process Group Ranks"
_ENCODER = msgspec.json.Encoder()
_Arguments = dict[str, msgspec.Raw]


class _Event(msgspec.Struct, gc=False):
    ph: Any = None
    cat: Any = None
    name: Any = ""
    tid: Any = -1
    ts: msgspec.Raw = msgspec.Raw(b"null")
    dur: msgspec.Raw = msgspec.Raw(b"0")
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Copied(Struct, frozen=True):
    """All events that an analysis looks at, in columns of shape (n,), ordered by track and time, the outer first.

    `name`, `category` and `track` number `names`, `categories` and `tracks`; `flow` is the correlation of what launches
    or was launched, else -1. A row's arguments, as JSON, are `length` bytes of `spool` from `offset` on; of one that is
    `UNDRAWN`, they are the whole event. Times count from `zero_ns`, which is below zero where they would be, and those
    in the trace's text from `base_ns`.
    """

    start_ns: Ints
    end_ns: Ints
    track: Ints
    name: Ints
    category: Ints
    flow: Ints
    offset: Ints
    length: Ints
    names: list[str]
    categories: list[str]
    tracks: list[TrackKey]
    spool: IO[bytes]
    zero_ns: int
    base_ns: int
    properties: list[dict[str, Any]]
    is_cut: bool


class EventCopy:
    """Copies the events of one trace: their columns into memory, their arguments into a temporary file."""

    def __init__(self) -> None:
        self._spool: IO[bytes] = TemporaryFile(prefix="bottleneck-")  # noqa: SIM115 - closed where the `with` ends
        self._written = 0
        self._names, self._categories, self._tracks = Numbered[str](), Numbered[str](), Numbered[TrackKey]()
        self._pieces: list[Ints] = [np.empty((8, 0), np.int64)]
        self._decoder = msgspec.json.Decoder(list[_Event], strict=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def of(self, source: TraceSource, name: str, max_bytes: int = MAX_BYTES) -> Copied:
        """The copy of a trace, which is valid within the `with` block. Raises `UnreadableError` as reading it does."""
        with closing(chunks(source, name, max_bytes)) as text:
            read = each_slice(text, self._take)
        rows = np.concatenate(self._pieces, axis=1)
        self._pieces.clear()
        rows[:2] += read.surroundings.base_ns
        zero_ns = min(0, int(rows[0].min(initial=0)))
        rows[:2] -= zero_ns
        rows = rows[:, np.lexsort((-rows[1], rows[0], rows[2]))]
        self._spool.flush()
        start, end, track, name_, category, flow, offset, length = rows
        return Copied(
            start_ns=start,
            end_ns=end,
            track=track,
            name=name_,
            category=category,
            flow=flow,
            offset=offset,
            length=length,
            names=list(self._names),
            categories=list(self._categories),
            tracks=list(self._tracks),
            spool=self._spool,
            zero_ns=zero_ns,
            base_ns=read.surroundings.base_ns,
            properties=[
                {key: value for key, value in each.items() if key in DEVICE_PROPERTIES}
                for each in read.surroundings.properties
            ],
            is_cut=read.cut is Cut.WITHIN_EVENTS,
        )

    def _take(self, text: Text) -> None:
        """Take the events of a list. Raises `msgspec.DecodeError`, and takes none, where it is none."""
        taken = [
            (event, kind)
            for event in self._decoder.decode(text)
            if event.ph == _COMPLETE and isinstance(event.cat, str) and (kind := _KINDS.get(event.cat.lower()))
        ]
        starts, lengths = _times([event.ts for event, _ in taken]), _times([event.dur for event, _ in taken])
        rows = [self._row(*each, *times) for each, *times in zip(taken, starts, lengths, strict=True)]
        if rows:
            self._pieces.append(np.array(rows, np.int64).T)

    def _row(self, event: _Event, kind: _Kind, start: int | None, lasts: int | None) -> tuple[int, ...]:
        arguments = kind.arguments(event.args)
        name = kind.name(event.name)
        flow = _integer(arguments, "correlation") if kind.flows else -1
        tid = event.tid if isinstance(event.tid, int) else -1
        track = kind.track(arguments, tid)
        text = _object(arguments)
        if start is None or lasts is None or lasts < 0:
            track, text = UNDRAWN, _undrawn(event.cat, name, tid, start, lasts, text)
            start = lasts = 0
        offset = self._written
        self._written += self._spool.write(text)
        numbers = self._tracks[track], self._names[name], self._categories[event.cat]
        return start, start + lasts, *numbers, flow, offset, len(text)


class _Kind:
    """Events that are copied alike."""

    def __init__(self, kind: EventKind) -> None:
        taken = next((field.type for field in msgspec.structs.fields(kind.event) if field.name == "args"), None)
        self._taken = [field.encode_name for field in msgspec.structs.fields(taken)] if taken is not None else []
        self._decoder = msgspec.json.Decoder(_Arguments)
        self._of: dict[str, Remembered[bytes, bytes]] = {
            name: Remembered(change) for name, change in _CHANGES.items() if name in self._taken
        }
        self._frames: Remembered[str, str] = Remembered(frame_name)
        self._is_frame = "python_function" in kind.categories
        self._side = next((side for side, is_it in _sides(kind) if is_it), "thread")
        self.flows = "correlation" in self._taken and self._side in ("device", "thread")

    def arguments(self, text: msgspec.Raw) -> _Arguments:
        """Those that an analysis looks at. Raises `msgspec.ValidationError` where they are none."""
        if not self._taken:
            return {}
        given = self._decoder.decode(text)
        found = {name: given[name] for name in self._taken if name in given}
        for name, changed in self._of.items():
            if name in found:
                found[name] = msgspec.Raw(changed[bytes(found[name])])
        if _GROUP in found or _RANKS in found:
            plain = plain_group(*(bytes(found.get(name, b"")) for name in (_GROUP, _RANKS)))
            for name, each in zip((_GROUP, _RANKS), plain, strict=True):
                if name in found:
                    found[name] = msgspec.Raw(_ENCODER.encode(each))
        return found

    def name(self, name: Any) -> str:
        """What the event is called, without where a Python file lies."""
        return self._frames[str(name)] if self._is_frame else str(name)

    def track(self, arguments: _Arguments, tid: int) -> TrackKey:
        """What it lies on."""
        if self._side == "thread":
            return "thread", tid, -1
        if self._side == "overhead":
            return "overhead", -1, -1
        return self._side, _integer(arguments, "device"), _integer(arguments, "stream")


def _sides(kind: EventKind) -> tuple[tuple[str, bool], ...]:
    return ("device", kind.on_device), ("waits", kind.event is SyncEvent), ("overhead", "overhead" in kind.categories)


def _inputs(text: bytes) -> bytes:
    """Concrete inputs, where only numbers stay: a text may be anything."""
    try:
        given = msgspec.json.decode(text, type=list[Any])
    except msgspec.ValidationError:
        return b"[]"
    return _ENCODER.encode([each if _PLAIN_INPUT.fullmatch(str(each)) else "" for each in given])


def _stack(text: bytes) -> bytes:
    try:
        return _ENCODER.encode(";".join(stack_names(msgspec.json.decode(text, type=str))))
    except msgspec.ValidationError:
        return b'""'


_CHANGES = {"Concrete Inputs": _inputs, "Call stack": _stack}
_KINDS = {category: _Kind(kind) for kind in EVENT_KINDS for category in kind.categories}


def _times(texts: Sequence[msgspec.Raw]) -> Sequence[int | None]:
    """In ns; None where there is none."""
    try:
        times: list[int] = column_of_nanoseconds(texts).tolist()
        return times
    except ValueError:
        return [_time(text) for text in texts]


def _time(text: msgspec.Raw) -> int | None:
    try:
        return nanoseconds(bytes(text))
    except ValueError:
        return None


def _integer(arguments: _Arguments, name: str) -> int:
    text = arguments.get(name)
    if text is None:
        return -1
    try:
        return int(bytes(text).strip(b'"'))
    except ValueError:
        return -1


def _object(arguments: _Arguments) -> bytes:
    return _ENCODER.encode(arguments)


def _undrawn(category: str, name: str, tid: int, start: int | None, lasts: int | None, arguments: bytes) -> bytes:
    ts, dur = (None if ns is None else ns / 1e3 for ns in (start, lasts))
    told = {"ph": _COMPLETE, "cat": category, "name": name, "tid": tid, "ts": ts, "dur": dur}
    return _ENCODER.encode({**told, "args": msgspec.Raw(arguments)})
