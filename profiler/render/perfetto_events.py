"""The events of a trace as slices of a Perfetto process: a track for each thread of the host and each stream."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import msgspec
import numpy as np
from msgspec import Struct

from profiler.render.perfetto import PerfettoProcess, arguments_of, flow
from profiler.render.perfetto_lanes import Lanes
from profiler.trace.event_copy import UNDRAWN, Copied, TrackKey
from profiler.trace.perfetto import ABOUT, AS_IT_IS, CUT_OFF, About

# So many rows are taken out of their columns at once: lists of numbers take ten times the memory.
_ROWS = 1 << 16
# After our own tracks (`profiler.session.perfetto`): the device, what waited, and what the tracer did.
_ORDER = {"device": 1_000_000, "waits": 2_000_000, "overhead": 3_000_000}
_SMALLEST_FLOW = 1


def write_events(process: PerfettoProcess, copied: Copied) -> None:
    """Write all events, and what else a reader needs to make the same trace of them."""
    about = About(copied.base_ns, copied.properties, copied.zero_ns - copied.base_ns)
    process.instant(_first_ns(copied), ABOUT, "bottleneck: the trace", msgspec.json.encode(about))
    for number, rows in _by_track(copied):
        key = copied.tracks[number]
        if key == UNDRAWN:
            for row in rows:
                process.instant(0, AS_IT_IS, copied.names[row.name], row.arguments)
        else:
            _write_track(process, copied, key, rows)
    if copied.is_cut:
        process.instant(_first_ns(copied), CUT_OFF, "bottleneck: the trace was cut off", b"{}")


class _Row(Struct, gc=False):
    start_ns: int
    end_ns: int
    name: int
    category: int
    flow: int
    arguments: bytes


def _write_track(process: PerfettoProcess, copied: Copied, key: TrackKey, rows: Iterator[_Row]) -> None:
    lanes = Lanes(process, _track(process, key))
    for row in rows:
        rest = arguments_of(row.arguments) + (flow(row.flow) if row.flow >= _SMALLEST_FLOW else b"")
        lanes.slice(row.start_ns, row.end_ns, copied.names[row.name], copied.categories[row.category], rest)
    lanes.close()


def _track(process: PerfettoProcess, key: TrackKey) -> int:
    side, first, second = key
    if side == "thread":
        return process.thread(first, f"thread {first}")
    order = _ORDER[side] + 1_000 * max(first, 0) + max(second, 0)
    if side == "device":
        return process.group(f"GPU {first} stream {second}", order=order)
    return process.group(f"waits of stream {second}" if side == "waits" else "the tracer itself", order=order)


def _by_track(copied: Copied) -> Iterator[tuple[int, Iterator[_Row]]]:
    """The rows of each track, to be read before the next is asked for."""
    begin, rows = 0, len(copied.track)
    for end in [*(np.flatnonzero(np.diff(copied.track)) + 1).tolist(), rows] if rows else []:
        yield int(copied.track[begin]), _rows(copied, begin, end)
        begin = end


def _rows(copied: Copied, begin: int, end: int) -> Iterator[_Row]:
    columns = (copied.start_ns, copied.end_ns, copied.name, copied.category, copied.flow, copied.offset, copied.length)
    with mmap.mmap(copied.spool.fileno(), 0, access=mmap.ACCESS_READ) as texts:
        for first in range(begin, end, _ROWS):
            rows = slice(first, min(first + _ROWS, end))
            for start, stop, name, category, flow_, offset, length in zip(
                *(column[rows].tolist() for column in columns), strict=True
            ):
                yield _Row(start, stop, name, category, flow_, texts[offset : offset + length])


def _first_ns(copied: Copied) -> int:
    return int(copied.start_ns.min(initial=np.iinfo(np.int64).max)) if len(copied.start_ns) else 0
