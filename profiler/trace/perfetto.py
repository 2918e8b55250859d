"""A Perfetto trace of ours, read back: the events of torch.profiler that were put in, as the text of their traces.

The numbers of fields are those of Perfetto's schema (protos/perfetto/trace in its repository), which tests hold them
to. Each rank is a packet sequence of its own, one after the other, and each of its events a slice whose category is the
event's and whose debug annotation `ARGUMENTS` are its arguments. What else there is (parts, verdicts, counters) has
categories of ours, and is no event.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from enum import IntEnum
from itertools import groupby
from typing import IO, Any

import msgspec

from profiler.errors import UnreadableError
from profiler.trace.protobuf import fields, messages

PACKET = 1  # of Trace
LONGEST_PACKET_BYTES = 256 << 20


class Packet(IntEnum):
    """Fields of TracePacket."""

    TIMESTAMP = 8
    SEQUENCE = 10
    TRACK_EVENT = 11
    INTERNED = 12
    SEQUENCE_FLAGS = 13
    TRACK_DESCRIPTOR = 60


class Track(IntEnum):
    """Fields of TrackDescriptor."""

    UUID = 1
    NAME = 2
    PROCESS = 3
    THREAD = 4
    PARENT = 5
    COUNTER = 8
    CHILD_ORDERING = 11
    ORDER_RANK = 12
    DESCRIPTION = 14


class TrackEvent(IntEnum):
    """Fields of TrackEvent."""

    CATEGORY_IIDS = 3
    ANNOTATIONS = 4
    TYPE = 9
    NAME_IID = 10
    TRACK = 11
    COUNTER = 44
    FLOWS = 47


class EventType(IntEnum):
    """TrackEvent.Type."""

    BEGIN = 1
    END = 2
    INSTANT = 3
    COUNTER = 4


PROCESS_PID, PROCESS_NAME = 1, 6
THREAD_PID, THREAD_TID, THREAD_NAME = 1, 2, 5
COUNTER_UNIT = 6
INTERNED_CATEGORIES, INTERNED_NAMES = 1, 2
IID, INTERNED_NAME = 1, 2
ANNOTATION_DOUBLE, ANNOTATION_TEXT, ANNOTATION_JSON, ANNOTATION_NAME = 5, 6, 9, 10
CLEARED, NEEDED = 1, 2  # sequence flags: the interned names begin anew, and are needed

# Categories of ours: what a trace says beside its events, an event that cannot be drawn, that the trace was cut off.
OURS = "bottleneck"
ABOUT, AS_IT_IS, CUT_OFF = f"{OURS}.trace", f"{OURS}.event", f"{OURS}.cut_off"
ARGUMENTS = "args"


class About(msgspec.Struct):
    """What a trace says beside its events. A packet's time is `offset_ns` less than that in the text."""

    base_ns: int = msgspec.field(name="baseTimeNanoseconds", default=0)
    properties: list[dict[str, Any]] = msgspec.field(name="deviceProperties", default_factory=list)
    offset_ns: int = 0


_STRING = msgspec.json.Encoder()


def perfetto_ranks(file: IO[bytes], name: str) -> Iterator[tuple[str, io.RawIOBase]]:
    """Each rank of a Perfetto trace of ours: its name, and its trace's text, to be read before the next is asked for.

    Raises `UnreadableError` where the file is damaged, as the streams do.
    """
    packets = (_Packet(data) for data in _whole(messages(file, PACKET, LONGEST_PACKET_BYTES), name))
    for sequence, rank in groupby(packets, key=lambda packet: packet.sequence):
        if sequence:
            called = next(rank).track_text(Track.PROCESS, PROCESS_NAME)
            yield called, _Text(_whole(_Rank(name).text(rank), name))  # noqa: B031 - what is left of it


class _Text(io.RawIOBase):
    """Pieces of text as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        rest = self._rest or next(self._pieces, b"")
        taken = rest[: len(buffer)]
        self._rest = rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _whole(found: Iterator[bytes], name: str) -> Iterator[bytes]:
    try:
        yield from found
    except (ValueError, TypeError, KeyError, EOFError) as error:
        reason = "it names what it does not have" if isinstance(error, KeyError | TypeError) else error
        raise UnreadableError(f"{name} is a damaged Perfetto trace: {reason}", "write or copy it again") from error


class _Packet:
    """One packet, taken apart as far as every packet is looked at."""

    def __init__(self, data: bytes) -> None:
        found = dict(fields(data))
        self.sequence = int(found.get(Packet.SEQUENCE, 0))
        self.timestamp = int(found.get(Packet.TIMESTAMP, 0))
        self.event, self.interned, self.track = (
            found.get(field, b"") for field in (Packet.TRACK_EVENT, Packet.INTERNED, Packet.TRACK_DESCRIPTOR)
        )

    def track_text(self, *path: int) -> str:
        """What stands in a track's descriptor where `path` leads; empty where nothing does."""
        value = self.track
        for field in path:
            value = dict(fields(bytes(value))).get(field, b"")
        return bytes(value).decode("utf-8", "replace")


class _Rank:
    """The packets of one rank on their way back into the text of a trace."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._names: dict[int, bytes] = {}
        self._categories: dict[int, bytes] = {}
        self._threads: dict[int, int] = {}  # by track
        self._open: dict[int, list[_Slice | None]] = {}  # by track; None for a slice of ours
        self._is_cut = False
        self._offset_ns = 0
        self._tied: list[bytes] = []  # slices of the same times, the inner first
        self._tied_times = (0, 0, 0)

    def text(self, packets: Iterator[_Packet]) -> Iterator[bytes]:
        """The text, some kB at a time."""
        head, events = b"", list[bytes]()
        for packet in packets:
            if packet.track:
                self._learn_thread(bytes(packet.track))
            if packet.interned:
                self._learn_names(bytes(packet.interned))
            if packet.event:
                head = self._take(packet.timestamp, bytes(packet.event), events) or head
            if len(events) >= _EVENTS:
                yield head + b",".join(events)
                head = b","
                events.clear()
        if not head:
            why = f"{self._name} holds no trace, as what is drawn from a result alone"
            raise UnreadableError(why, "analyze what `profile --trace-out` wrote")
        events += reversed(self._tied)
        yield (head if events or head != b"," else b"") + b",".join(events) + (b"" if self._is_cut else b"]}")

    def _learn_thread(self, track: bytes) -> None:
        found = dict(fields(track))
        thread = found.get(Track.THREAD)
        if isinstance(thread, bytes):
            self._threads[int(found[Track.UUID])] = _signed(int(dict(fields(thread)).get(THREAD_TID, 0)))
        elif found.get(Track.PARENT) in self._threads:  # what overlaps on a thread has a track below it
            self._threads[int(found[Track.UUID])] = self._threads[int(found[Track.PARENT])]

    def _learn_names(self, interned: bytes) -> None:
        for kind, entry in fields(interned):
            told = dict(fields(bytes(entry)))
            name = _STRING.encode(bytes(told[INTERNED_NAME]).decode())
            (self._names if kind == INTERNED_NAMES else self._categories)[int(told[IID])] = name

    def _take(self, timestamp: int, event: bytes, events: list[bytes]) -> bytes:
        """Add to `events` what this packet completes; the head of the trace, where it is that."""
        found = dict(fields(event))
        kind, track = found.get(TrackEvent.TYPE), int(found.get(TrackEvent.TRACK, 0))
        if kind == EventType.COUNTER:
            return b""
        if kind == EventType.END:
            begun = self._open[track].pop()
            if begun is not None:
                self._end(begun, timestamp + self._offset_ns, track, events)
            return b""
        category = self._categories[int(found[TrackEvent.CATEGORY_IIDS])]
        if kind == EventType.INSTANT:
            self._is_cut |= category == _CUT_OFF
            if category == _AS_IT_IS:
                events.append(_arguments(found))
            return self._head(_arguments(found)) if category == _ABOUT else b""
        begins = None
        if category != _OURS:
            begins = _Slice(
                timestamp + self._offset_ns, self._names[int(found[TrackEvent.NAME_IID])], category, _arguments(found)
            )
        self._open.setdefault(track, []).append(begins)
        return b""

    def _end(self, begun: _Slice, end_ns: int, track: int, events: list[bytes]) -> None:
        """Of slices that begin and end with one another, the outer one ends last, and came first."""
        times = track, begun.start_ns, end_ns
        if times != self._tied_times or begun.start_ns == end_ns:
            events += reversed(self._tied)
            self._tied.clear()
        self._tied_times = times
        self._tied.append(begun.text(end_ns, self._threads.get(track, -1)))

    def _head(self, arguments: bytes) -> bytes:
        about = msgspec.json.decode(arguments, type=About)
        self._offset_ns = about.offset_ns
        return _STRING.encode(about).removesuffix(b"}") + b',"traceEvents":['


class _Slice(msgspec.Struct, gc=False):
    """An event that was begun; texts are JSON."""

    start_ns: int
    name: bytes
    category: bytes
    arguments: bytes

    def text(self, end_ns: int, thread: int) -> bytes:
        return b'{"ph":"X","cat":%b,"name":%b,"tid":%d,"ts":%b,"dur":%b,"args":%b}' % (
            self.category,
            self.name,
            thread,
            _microseconds(self.start_ns),
            _microseconds(end_ns - self.start_ns),
            self.arguments,
        )


def _arguments(event: dict[int, int | bytes]) -> bytes:
    """The arguments of an event, as JSON."""
    annotation = event.get(TrackEvent.ANNOTATIONS)
    return bytes(dict(fields(annotation))[ANNOTATION_JSON]) if isinstance(annotation, bytes) else b"{}"


def _microseconds(ns: int) -> bytes:
    sign, ns = (b"-", -ns) if ns < 0 else (b"", ns)
    return b"%b%d.%03d" % (sign, *divmod(ns, 1000))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_EVENTS = 500  # whose text is handed on at once
_OURS, _ABOUT, _AS_IT_IS, _CUT_OFF = (_STRING.encode(name) for name in (OURS, ABOUT, AS_IT_IS, CUT_OFF))
