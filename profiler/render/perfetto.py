"""Perfetto's own format: a trace's packets, written one after the other, whatever the length of the trace.

https://perfetto.dev/docs/reference/synthetic-track-event has what the tracks and events mean. The slices of one track
must nest; what overlaps without nesting goes to further tracks of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import IO

from profiler.trace import perfetto as schema
from profiler.trace.numbered import Numbered
from profiler.trace.perfetto import EventType, Packet, Track, TrackEvent
from profiler.trace.perfetto_magic import MAGIC
from profiler.trace.protobuf import block, block_tag, double, fixed64, number, number_tag, text, varint

_EXPLICIT = 3  # of TrackDescriptor.ChildTracksOrdering
Facts = Mapping[str, str | float | None]


class PerfettoFile:
    """A file of packets."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sequences = 0
        file.write(MAGIC)

    def process(self, name: str) -> PerfettoProcess:
        """The packets of another process; those of the one before are complete."""
        self._sequences += 1
        return PerfettoProcess(self._file, self._sequences, name)


class PerfettoProcess:
    """Packets of one process, which are a sequence of their own with interned names of its own.

    All times are nanoseconds on one clock.
    """

    def __init__(self, file: IO[bytes], sequence: int, name: str) -> None:
        self._file, self._sequence = file, sequence
        self._names, self._categories = Numbered[str](), Numbered[str]()
        self._heads: dict[tuple[int, EventType, str, str], bytes] = {}
        self._tracks = 0
        self._tail = number(Packet.SEQUENCE, sequence) + number(Packet.SEQUENCE_FLAGS, schema.NEEDED)
        process = number(schema.PROCESS_PID, sequence) + text(schema.PROCESS_NAME, name)
        flags = schema.CLEARED | schema.NEEDED
        descriptor = block(Track.PROCESS, process) + number(Track.CHILD_ORDERING, _EXPLICIT)
        self.track = self._new_track()
        tail = number(Packet.SEQUENCE, sequence) + number(Packet.SEQUENCE_FLAGS, flags)
        self._put(block(Packet.TRACK_DESCRIPTOR, number(Track.UUID, self.track) + descriptor) + tail)

    def group(self, name: str, *, order: int, about: str = "", parent: int | None = None) -> int:
        """A track that others lie below, and that slices may lie on, too."""
        return self._describe(name, parent, order, block(Track.DESCRIPTION, about.encode()) if about else b"")

    def thread(self, number_: int, name: str) -> int:
        """The track of a thread of the host."""
        track = self._new_track()
        thread = number(schema.THREAD_PID, self._sequence) + number(schema.THREAD_TID, number_)
        descriptor = block(Track.THREAD, thread + text(schema.THREAD_NAME, name))
        self._put_descriptor(number(Track.UUID, track) + number(Track.PARENT, self.track) + descriptor)
        return track

    def counter(self, name: str, unit: str, *, order: int, parent: int) -> int:
        """A track of numbers."""
        return self._describe(name, parent, order, block(Track.COUNTER, text(schema.COUNTER_UNIT, unit)))

    def count(self, track: int, at_ns: int, value: float) -> None:
        """A number from this time on."""
        self._put_event(at_ns, _head(EventType.COUNTER, track) + double(TrackEvent.COUNTER, value))

    def slice(self, track: int, start_ns: int, end_ns: int, name: str, facts: Facts | None = None) -> None:
        """Something of ours that took this time, and what is known of it."""
        self.begin(track, start_ns, name, schema.OURS, told(facts or {}))
        self.end(track, end_ns)

    def instant(self, at_ns: int, category: str, name: str, arguments: bytes) -> None:
        """Something that the reader of our traces needs beside their events."""
        self._put_named(EventType.INSTANT, self.track, at_ns, name, category, arguments_of(arguments))

    def begin(self, track: int, at_ns: int, name: str, category: str, rest: bytes = b"") -> None:
        """The begin of a slice, which lasts until the track's next end that is not another's."""
        self._put_named(EventType.BEGIN, track, at_ns, name, category, rest)

    def end(self, track: int, at_ns: int) -> None:
        """The end of the slice that was begun last on the track."""
        self._put_event(at_ns, _head(EventType.END, track))

    def _put_named(self, kind: EventType, track: int, at_ns: int, name: str, category: str, rest: bytes) -> None:
        # Of millions of events few have a beginning of their own.
        head = self._heads.get((track, kind, name, category))
        if head is not None:
            self._put_event(at_ns, head + rest)
            return
        new = b""
        for field, known, word in (
            (schema.INTERNED_NAMES, self._names, name),
            (schema.INTERNED_CATEGORIES, self._categories, category),
        ):
            if word not in known:
                new += block(field, number(schema.IID, known[word] + 1) + text(schema.INTERNED_NAME, word))
        words = number(TrackEvent.CATEGORY_IIDS, self._categories[category] + 1)
        words += number(TrackEvent.NAME_IID, self._names[name] + 1)
        head = self._heads[track, kind, name, category] = _head(kind, track) + words
        self._put_event(at_ns, head + rest, block(Packet.INTERNED, new) if new else b"")

    def _describe(self, name: str, parent: int | None, order: int, rest: bytes) -> int:
        track = self._new_track()
        told = number(Track.UUID, track) + number(Track.PARENT, self.track if parent is None else parent)
        told += text(Track.NAME, name) + number(Track.ORDER_RANK, order)
        self._put_descriptor(told + number(Track.CHILD_ORDERING, _EXPLICIT) + rest)
        return track

    def _new_track(self) -> int:
        self._tracks += 1
        return self._sequence << 32 | self._tracks

    def _put_descriptor(self, descriptor: bytes) -> None:
        self._put(block(Packet.TRACK_DESCRIPTOR, descriptor) + self._tail)

    def _put_event(self, at_ns: int, event: bytes, interned: bytes = b"") -> None:
        begin = _TIMESTAMP + varint(at_ns) + _TRACK_EVENT + varint(len(event))
        length = len(begin) + len(event) + len(interned) + len(self._tail)
        self._file.write(b"".join((_PACKET, varint(length), begin, event, interned, self._tail)))

    def _put(self, packet: bytes) -> None:
        self._file.write(block(schema.PACKET, packet))


_PACKET = block_tag(schema.PACKET)
_TIMESTAMP, _TRACK_EVENT = number_tag(Packet.TIMESTAMP), block_tag(Packet.TRACK_EVENT)


@lru_cache(maxsize=1 << 12)
def _head(kind: EventType, track: int) -> bytes:
    return number(TrackEvent.TYPE, kind) + number(TrackEvent.TRACK, track)


_ANNOTATION = block_tag(TrackEvent.ANNOTATIONS)
_ARGUMENTS = text(schema.ANNOTATION_NAME, schema.ARGUMENTS) + block_tag(schema.ANNOTATION_JSON)


def arguments_of(event: bytes) -> bytes:
    """The debug annotation that holds an event's arguments, which are JSON."""
    length = varint(len(event))
    return b"".join((_ANNOTATION, varint(len(_ARGUMENTS) + len(length) + len(event)), _ARGUMENTS, length, event))


def told(facts: Facts) -> bytes:
    """The debug annotations that hold what is known of a slice of ours."""
    return b"".join(_fact(key, value) for key, value in facts.items() if value is not None)


def flow(identity: int) -> bytes:
    """What makes Perfetto draw arrows between slices: all of one identity, in the order of time."""
    return fixed64(TrackEvent.FLOWS, identity)


def _fact(key: str, value: str | float) -> bytes:
    told = text(schema.ANNOTATION_NAME, key)
    if isinstance(value, str):
        told += text(schema.ANNOTATION_TEXT, value)
    else:
        told += double(schema.ANNOTATION_DOUBLE, float(f"{value:.6g}"))
    return block(TrackEvent.ANNOTATIONS, told)
