"""The rows of a trace as they are read, in columns: in any order, not yet linked to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from profiler.trace.classification import call_kind, copy_activity, kernel_activity
from profiler.trace.decimals import LARGEST_NS, column_of_nanoseconds, is_time
from profiler.trace.event_types import (
    NO_GROUP,
    CallEvent,
    DeviceArguments,
    DeviceEvent,
    Event,
    OperationEvent,
    SyncEvent,
)
from profiler.trace.group_names import group_name
from profiler.trace.numbered import Numbered
from profiler.trace.reading_flaws import Cut, ReadingFlaws
from profiler.trace.timeline import Activity, Ints

Key = TypeVar("Key")
Value = TypeVar("Value")
Timed = TypeVar("Timed", bound=Event)

# Ranges of torch's own, which the old schema calls operations.
_RANGES = ("ProfilerStep#", "enumerate(DataLoader)#", "Optimizer.")
_UNKNOWN = (-1, -1, -1)
# A third of all functions of a trace take less, and recording each costs the tracer about as much.
_SHORTEST_FRAME_NS = 1_000


class Remembered(dict[Key, Value], Generic[Key, Value]):
    """What a function says of each key, asked once: traces repeat few names and shapes many times."""

    def __init__(self, function: Callable[[Key], Value]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: Key) -> Value:
        self[key] = value = self._function(key)
        return value


class Table:
    """Columns of integers that grow a slice at a time. The first two are start and end in ns."""

    def __init__(self, width: int) -> None:
        self._pieces = [np.empty((width, 0), np.int64)]
        self.negative = 0  # rows that end before they begin

    def add(self, *columns: Ints | Sequence[int]) -> None:
        """Rows, as columns; each of shape (n,) or (some columns, n). An end before the start is taken to be there."""
        rows = np.vstack([np.asarray(column, np.int64) for column in columns])
        self.negative += int((rows[1] < rows[0]).sum())
        np.maximum(rows[0], rows[1], out=rows[1])
        self._pieces.append(rows)

    def __len__(self) -> int:
        return sum(rows.shape[1] for rows in self._pieces)

    def since(self, base_ns: int) -> Ints:
        """All rows, shape (width, n), times moved by `base_ns`. Raises `ValueError` for times of no use."""
        rows = np.concatenate(self._pieces, axis=1)
        first, last = int(rows[:2].min(initial=0)), int(rows[:2].max(initial=0))
        if max(abs(base_ns), abs(base_ns + first), abs(base_ns + last)) > LARGEST_NS:
            raise ValueError("its times lie beyond the year 2096")
        rows[:2] += base_ns
        return rows


class Records:
    """All rows of a trace, by what they are. `external` is Kineto's External id, -1 if there is none."""

    def __init__(self) -> None:
        self.names = Numbered[str]()
        self.threads = Numbered[int]()
        # start, end, kind, name, external, correlation, device, stream, bytes, registers, shared, grid, block, group
        self.device = Table(18)
        self.calls = Table(7)  # start, end, name, thread, kind, external, correlation
        self.operations = Table(6)  # start, end, name, thread, external, stack
        self.ranges = Table(4)  # start, end, name, thread
        self.overhead = Table(2)  # start, end
        self.frames = Table(4)  # start, end, name, thread
        self.stacks = Numbered[bytes]()  # the text of Python call stacks, as JSON
        self.shapes: list[list[Any]] = []  # of each operation, as in `Operations`
        self.types: list[list[str]] = []
        self.concrete: list[list[Any]] = []
        self.strides: list[list[Any]] = []
        self.frames_read = 0  # Python functions, those that were not kept as well
        self.timeless = 0  # events that were dropped, as they do not say when they were
        self.waits: dict[int, tuple[int, int]] = {}  # by correlation: stream, the event's record call
        self._kernel_kind: Remembered[str, int] = Remembered(kernel_activity)
        self._copy_kind: Remembered[str, int] = Remembered(copy_activity)
        self._memset_kind: Remembered[str, int] = Remembered(lambda _: Activity.MEMSET)
        self._call_kind: Remembered[str, int] = Remembered(call_kind)
        self._lists: Remembered[bytes, list[Any]] = Remembered(_list_of(Any))
        self._words: Remembered[bytes, list[str]] = Remembered(_list_of(str))

    def flaws(self, cut: Cut) -> ReadingFlaws:
        """What of all rows could not be taken as it stands."""
        tables = (self.device, self.calls, self.operations, self.ranges, self.overhead)
        events = sum(map(len, tables)) + self.frames_read
        return ReadingFlaws(cut, events, self.timeless, sum(table.negative for table in tables))

    def add_kernels(self, events: Sequence[DeviceEvent]) -> None:
        """Rows of the device."""
        self._add_activities(events, self._kernel_kind)

    def add_copies(self, events: Sequence[DeviceEvent]) -> None:
        """Rows of the device."""
        self._add_activities(events, self._copy_kind)

    def add_memsets(self, events: Sequence[DeviceEvent]) -> None:
        """Rows of the device."""
        self._add_activities(events, self._memset_kind)

    def _add_activities(self, events: Sequence[DeviceEvent], kind_of_name: Remembered[str, int]) -> None:
        events, span = self._timed(events)
        arguments = [event.args for event in events]
        self.device.add(
            span,
            [kind_of_name[event.name] for event in events],
            self._names(events),
            _columns(arguments, "external correlation device stream bytes registers shared_bytes"),
            _flat([given.grid or _UNKNOWN for given in arguments], 3),
            _flat([given.block or _UNKNOWN for given in arguments], 3),
            [-1 if given.group_ranks is NO_GROUP else self._group(given) for given in arguments],
        )

    def _group(self, given: DeviceArguments) -> int:
        return self.names[group_name(bytes(given.group), bytes(given.group_ranks))]

    def add_calls(self, events: Sequence[CallEvent]) -> None:
        """Rows of the host's calls."""
        events, span = self._timed(events)
        kinds = [self._call_kind[event.name] for event in events]
        arguments = _columns([event.args for event in events], "external correlation")
        self.calls.add(self._host_rows(events, span), kinds, arguments)

    def add_operations(self, events: Sequence[OperationEvent]) -> None:
        """Rows of operations, but for ranges that are called so."""
        if any(name.startswith(_RANGES) for name in {event.name for event in events}):
            self.add_ranges([event for event in events if event.name.startswith(_RANGES)])
            events = [event for event in events if not event.name.startswith(_RANGES)]
        events, span = self._timed(events)
        arguments = [event.args for event in events]
        stacks = _each(self.stacks, [given.stack for given in arguments])
        self.operations.add(self._host_rows(events, span), [given.external for given in arguments], stacks)
        self.shapes += _each(self._lists, [given.shapes for given in arguments])
        self.types += _each(self._words, [given.types for given in arguments])
        self.concrete += _each(self._lists, [given.concrete for given in arguments])
        self.strides += _each(self._lists, [given.strides for given in arguments])

    def add_ranges(self, events: Sequence[Event]) -> None:
        """Rows of ranges."""
        self.ranges.add(self._host_rows(*self._timed(events)))

    def add_frames(self, events: Sequence[Event]) -> None:
        """Rows of Python functions, but for the shortest: these count as their callers."""
        self.frames_read += len(events)
        events, span = self._timed(events)
        rows = np.flatnonzero(span[1] - span[0] >= _SHORTEST_FRAME_NS)
        self.frames.add(self._host_rows([events[row] for row in rows.tolist()], span[:, rows]))

    def add_overhead(self, events: Sequence[Event]) -> None:
        """Rows of overhead."""
        self.overhead.add(self._timed(events)[1])

    def add_waits(self, events: Sequence[SyncEvent]) -> None:
        """What calls waited for."""
        for wait in (event.args for event in events):
            self.waits[wait.correlation] = (wait.stream, wait.wait_on_record)
            if wait.wait_on_record >= 0:  # only who waits for an event says on which stream it was recorded
                self.waits.setdefault(wait.wait_on_record, (wait.wait_on_stream, -1))

    def _timed(self, events: Sequence[Timed]) -> tuple[Sequence[Timed], Ints]:
        """The events whose times are numbers, and their starts and ends; the others are counted."""
        try:
            return events, _span(events)
        except ValueError:
            timed = [event for event in events if is_time(event.ts) and is_time(event.dur)]
            self.timeless += len(events) - len(timed)
            return timed, _span(timed)

    def _host_rows(self, events: Sequence[Event], span: Ints) -> Ints:
        threads = self.threads
        thread_ids = [event.tid if isinstance(event.tid, int) else -1 for event in events]
        numbers = list(map(threads.__getitem__, thread_ids))
        return np.vstack([span, self._names(events), np.asarray(numbers, np.int64)])

    def _names(self, events: Sequence[Event]) -> Ints:
        return np.asarray(list(map(self.names.__getitem__, [event.name for event in events])), np.int64)


def _span(events: Sequence[Event]) -> Ints:
    start = column_of_nanoseconds([event.ts for event in events])
    return np.stack([start, start + column_of_nanoseconds([event.dur for event in events])])


def _list_of(kind: Any) -> Callable[[bytes], list[Any]]:
    """Decodes a list of these; what is none says nothing, like one that is empty."""
    decoder = msgspec.json.Decoder(list[kind])

    def decoded(text: bytes) -> list[Any]:
        try:
            return decoder.decode(text)
        except msgspec.ValidationError:
            return []

    return decoded


def _each(found: Mapping[bytes, Value], texts: Sequence[msgspec.Raw]) -> list[Value]:
    """What is known of each text. JSON cannot hold a zero, and to cut at it is faster than to copy one by one."""
    return list(map(found.__getitem__, b"\0".join(texts).split(b"\0"))) if texts else []


def _columns(objects: Sequence[msgspec.Struct], names: str) -> Ints:
    fields = names.split()
    return _flat(list(map(attrgetter(*fields), objects)), len(fields))


def _flat(rows: Sequence[tuple[int, ...]], width: int) -> Ints:
    return np.fromiter(chain.from_iterable(rows), np.int64, width * len(rows)).reshape(len(rows), width).T
