"""Who waited for whom: streams for events, the host for the device."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from profiler.trace.distinct import values
from profiler.trace.timeline import Activity, Call, DeviceEvents, Ints, Timeline

# An activity that starts this long after its stream and its launch were ready must have waited for something else:
# several times the few microseconds that the device needs to pick up a launch.
UNEXPLAINED_WAIT_NS = 10_000
# How close to the end of another stream's activity it must then start for that activity to be what it waited for.
_EVENT_LATENCY_NS = 10_000
# More than any device has: stream numbers of one device stay below it.
_STREAMS_OF_A_DEVICE = 100_000


def stream_keys(device: DeviceEvents) -> Ints:
    """One number for device and stream of each row: streams of two devices are different queues."""
    return device.device * _STREAMS_OF_A_DEVICE + device.stream


def block_host(device: DeviceEvents) -> NDArray[np.bool_]:
    """Which rows are copies whose call returns only when they are over: pageable memory is staged."""
    return device.pageable & np.isin(device.kind, [kind for kind in Activity if kind.is_host_copy])


def blocks_host(step: Timeline, row: int) -> bool:
    """Whether the call that launched this copy returns only when the copy is over."""
    return bool(step.device.pageable[row]) and Activity(int(step.device.kind[row])).is_host_copy


class LaunchOrder(Struct, frozen=True):
    """A step's calls that matter to the device, in the order of time, and its activities in launch order.

    An index counts activities in this order, a place counts the calls.
    """

    step: Timeline
    host_rows: Ints  # of each call, its row in the step's timeline
    device_rows: Ints  # of each activity
    place: Ints  # of each activity the place of the call that launched it; -1 where it is not known

    @classmethod
    def of(cls, step: Timeline) -> LaunchOrder:
        """Calls that give the device work or wait for it; all others are plain host work.

        Activities of one launch come by start; those without a launch come first, by their start alone.
        """
        launches = step.device.call
        relevant = np.isin(step.host.kind, [Call.SYNC, Call.EVENT_WAIT, Call.EVENT_RECORD])
        relevant[launches[launches >= 0]] = True
        host_rows = np.flatnonzero(relevant)
        places = np.append(np.cumsum(relevant) - 1, -1)[launches]
        device_rows = np.lexsort((step.device.start_ns, places))
        return cls(step, host_rows, device_rows, places[device_rows])

    def of_kind(self, kind: Call) -> list[int]:
        """The places of all calls of a kind."""
        return np.flatnonzero(self.step.host.kind[self.host_rows] == kind).tolist()

    def by_stream(self, streams: Ints) -> dict[int, tuple[list[int], list[int]]]:
        """The indices of each stream's activities and their places, both ascending; first come those that run first."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        first: dict[int, int] = {}
        for stream in values(streams).tolist():
            indices = np.flatnonzero(streams == stream)
            found[stream] = indices.tolist(), self.place[indices].tolist()
            first[stream] = int(indices[0])
        return {stream: found[stream] for stream in sorted(found, key=first.__getitem__)}


def recorded_activities(order: LaunchOrder) -> dict[int, int]:
    """For each event record, by its correlation, the last activity launched on its stream before it."""
    host = order.step.host
    launched = _launched_by_stream(order)
    recorded: dict[int, int] = {}
    for place in order.of_kind(Call.EVENT_RECORD):
        row = order.host_rows[place]
        indices, places = launched.get(int(host.stream[row]), ((), ()))
        before = bisect_right(places, place)
        if before:
            recorded[int(host.correlation[row])] = indices[before - 1]
    return recorded


def held_by(order: LaunchOrder, recorded: dict[int, int]) -> list[list[int]]:
    """Activities of other streams that each activity waited for: from event calls, else from the times."""
    host = order.step.host
    held: dict[int, list[int]] = {}
    launched = _launched_by_stream(order)
    for place in order.of_kind(Call.EVENT_WAIT):
        row = order.host_rows[place]
        indices, places = launched.get(int(host.stream[row]), ((), ()))
        after, event = bisect_left(places, place), int(host.waits_for[row])
        if after < len(indices) and event in recorded:
            held.setdefault(indices[after], []).append(recorded[event])
    _infer_waits(order, held)
    return _by_row(held, len(order.device_rows))


def waited_for(order: LaunchOrder, recorded: dict[int, int]) -> list[list[int]]:
    """The activities, one a stream, whose end each blocking call waited for.

    A sync waits for its event, else for what had been launched before it and was over when it returned; a copy from
    or to pageable memory waits for itself.
    """
    host, device = order.step.host, order.step.device
    found: dict[int, list[int]] = {}
    staged = np.flatnonzero(block_host(device)[order.device_rows] & (order.place >= 0))
    for index, place in zip(staged.tolist(), order.place[staged].tolist(), strict=True):
        if host.kind[order.host_rows[place]] == Call.COPY:
            found.setdefault(place, []).append(index)
    streams = order.by_stream(stream_keys(device)[order.device_rows])
    ends = device.end_ns[order.device_rows].tolist()
    for place in order.of_kind(Call.SYNC):
        row = order.host_rows[place]
        event, on_stream, returned = int(host.waits_for[row]), int(host.stream[row]), int(host.end_ns[row])
        if event in recorded:
            found[place] = [recorded[event]]
            continue
        done: list[int] = []
        its_own: list[int] = []
        for stream, (indices, places) in streams.items():
            launched = range(bisect_left(places, place) - 1, -1, -1)
            over = next((indices[each] for each in launched if ends[indices[each]] <= returned), None)
            if over is not None:
                (its_own if stream % _STREAMS_OF_A_DEVICE == on_stream else done).append(over)
        found[place] = its_own or done
    return _by_row(found, len(order.host_rows))


def _by_row(waits: dict[int, list[int]], count: int) -> list[list[int]]:
    """What each of so many rows waited for. Those that waited for nothing share one empty list: most of them do."""
    nothing: list[int] = []
    return [waits.get(row, nothing) for row in range(count)]


def _launched_by_stream(order: LaunchOrder) -> dict[int, tuple[list[int], list[int]]]:
    """As `LaunchOrder.by_stream`, by the stream's own number, of activities whose launch is known."""
    known = int(np.searchsorted(order.place, 0))
    streams = order.step.device.stream[order.device_rows]
    found = {}
    for stream in values(streams[known:]).tolist():
        indices = known + np.flatnonzero(streams[known:] == stream)
        found[stream] = indices.tolist(), order.place[indices].tolist()
    return found


def _infer_waits(order: LaunchOrder, held: dict[int, list[int]]) -> None:
    """Many traces do not name the event; an activity that starts late, as another stream's ends, waited for it."""
    device, rows = order.step.device, order.device_rows
    start, end, stream = device.start_ns[rows], device.end_ns[rows], stream_keys(device)[rows]
    if not len(rows) or (stream == stream[0]).all():
        return
    issued = np.where(order.place >= 0, np.append(order.step.host.end_ns, 0)[device.call[rows]], 0)
    ready = np.maximum(previous_in_stream(end, stream, 0), issued)
    by_end = np.lexsort((np.arange(len(rows)), end))
    latest = np.searchsorted(end[by_end], start, side="right") - 1
    for index in np.flatnonzero(start - ready >= UNEXPLAINED_WAIT_NS).tolist():
        if index in held:
            continue
        for position in range(int(latest[index]), -1, -1):
            other = int(by_end[position])
            if start[index] - end[other] > _EVENT_LATENCY_NS:
                break
            if other < index and stream[other] != stream[index]:
                held[index] = [other]
                break


def previous_in_stream(column: Ints, streams: Ints, first: int) -> Ints:
    """Of each row the column's value in the row before it of the same stream; `first` where there is none."""
    by_stream = np.argsort(streams, kind="stable")
    previous = np.full(len(column), first, np.int64)
    follows = np.flatnonzero(streams[by_stream[1:]] == streams[by_stream[:-1]])
    previous[by_stream[follows + 1]] = column[by_stream[follows]]
    return previous
