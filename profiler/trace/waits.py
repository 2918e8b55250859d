"""Who waited for whom: streams for events, the host for the device."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from profiler.report.timeline import STREAMS_OF_A_DEVICE
from profiler.trace import intervals
from profiler.trace.distinct import values
from profiler.trace.timeline import Activity, Call, DeviceEvents, Ints, Timeline

# An activity that starts this long after its stream and its launch were ready must have waited for something else:
# several times the few microseconds that the device needs to pick up a launch.
UNEXPLAINED_WAIT_NS = 10_000
# How close to the end of another stream's activity it must then start for that activity to be what it waited for.
_EVENT_LATENCY_NS = 10_000


def stream_keys(device: DeviceEvents) -> Ints:
    """One number for device and stream of each row: streams of two devices are different queues."""
    return device.device * STREAMS_OF_A_DEVICE + device.stream


def block_host(device: DeviceEvents) -> NDArray[np.bool_]:
    """Which rows are copies whose call returns only when they are over: pageable memory is staged."""
    return device.pageable & np.isin(device.kind, [kind for kind in Activity if kind.is_host_copy])


class LaunchOrder(Struct, frozen=True):
    """A step's calls that matter to the device, in the order of time, and its activities in launch order.

    An index counts activities in this order, a place counts the calls. A stream runs in the order in which it was
    filled: what starts later was queued no earlier. So an activity without a launch, or one whose call began before
    that of an activity which ran first (two threads fill one stream), was queued at the last place before it.
    """

    step: Timeline
    host_rows: Ints  # of each call, its row in the step's timeline
    device_rows: Ints  # of each activity; those of one stream come by start
    launched_by: Ints  # of each activity the place of the call that launched it; -1 where it is not known
    queued: Ints  # of each activity the place at which it entered its stream, ascending; -1 before all that is known

    @classmethod
    def of(cls, step: Timeline) -> LaunchOrder:
        """Calls that give the device work or wait for it; all others are plain host work."""
        launches = step.device.call
        relevant = np.isin(step.host.kind, [Call.SYNC, Call.EVENT_WAIT, Call.EVENT_RECORD])
        relevant[launches[launches >= 0]] = True
        host_rows = np.flatnonzero(relevant)
        launched_by = np.append(np.cumsum(relevant) - 1, -1)[launches]
        by_start = np.lexsort((launched_by, step.device.start_ns))
        queued = np.empty(len(launched_by), np.int64)
        queued[by_start] = _most_so_far(launched_by[by_start] + 1, stream_keys(step.device)[by_start]) - 1
        device_rows = by_start[np.argsort(queued[by_start], kind="stable")]
        return cls(step, host_rows, device_rows, launched_by[device_rows], queued[device_rows])

    def of_kind(self, kind: Call) -> list[int]:
        """The places of all calls of a kind."""
        return np.flatnonzero(self.step.host.kind[self.host_rows] == kind).tolist()

    def by_stream(self, streams: Ints) -> dict[int, tuple[list[int], list[int]]]:
        """The indices of each stream's activities and their places, both ascending; first come those that run first."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        first: dict[int, int] = {}
        for stream in values(streams).tolist():
            indices = np.flatnonzero(streams == stream)
            found[stream] = indices.tolist(), self.queued[indices].tolist()
            first[stream] = int(indices[0])
        return {stream: found[stream] for stream in sorted(found, key=first.__getitem__)}


class Recorded(Struct, frozen=True):
    """An event: the place of the call that recorded it, and the activity whose end it marks."""

    place: int
    activity: int


def recorded_activities(order: LaunchOrder) -> dict[int, Recorded]:
    """For each event record, by its correlation, the last activity launched on its stream before it."""
    host = order.step.host
    launched = _launched_by_stream(order)
    recorded: dict[int, Recorded] = {}
    for place in order.of_kind(Call.EVENT_RECORD):
        row = order.host_rows[place]
        indices, places = launched.get(int(host.stream[row]), ((), ()))
        before = bisect_right(places, place)
        if before:
            recorded[int(host.correlation[row])] = Recorded(place, indices[before - 1])
    return recorded


def held_by(order: LaunchOrder, recorded: dict[int, Recorded]) -> list[list[int]]:
    """Activities of other streams that each activity waited for: from event calls, else from the times."""
    host = order.step.host
    held: dict[int, list[int]] = {}
    launched = _launched_by_stream(order)
    for place in order.of_kind(Call.EVENT_WAIT):
        row = order.host_rows[place]
        indices, places = launched.get(int(host.stream[row]), ((), ()))
        after, event = bisect_left(places, place), _event_before(recorded, int(host.waits_for[row]), place)
        if after < len(indices) and event is not None:
            held.setdefault(indices[after], []).append(event.activity)
    _infer_waits(order, held)
    return _by_row(held, len(order.device_rows))


def waited_for(order: LaunchOrder, recorded: dict[int, Recorded]) -> list[list[int]]:
    """The activities, one a stream, whose end each blocking call waited for.

    A sync waits for its event, else for what had been launched before it and was over when it returned; a copy from
    or to pageable memory waits for itself.
    """
    host, device = order.step.host, order.step.device
    found: dict[int, list[int]] = {}
    staged = block_host(device)[order.device_rows] & (order.launched_by >= 0) & (order.launched_by == order.queued)
    for index in np.flatnonzero(staged).tolist():
        place = int(order.queued[index])
        if host.kind[order.host_rows[place]] == Call.COPY:
            found.setdefault(place, []).append(index)
    ends = device.end_ns[order.device_rows]
    queues: dict[int, list[_Queue]] = {}
    for key, (indices, places) in order.by_stream(stream_keys(device)[order.device_rows]).items():
        queues.setdefault(key % STREAMS_OF_A_DEVICE, []).append(_Queue.of(indices, places, ends))
    everywhere = [queue for its in queues.values() for queue in its]
    for place in order.of_kind(Call.SYNC):
        row = order.host_rows[place]
        event, returned = _event_before(recorded, int(host.waits_for[row]), place), int(host.end_ns[row])
        if event is not None:
            found[place] = [event.activity]
            continue
        its_own = _over(queues.get(int(host.stream[row]), []), place, returned)
        found[place] = its_own or _over(everywhere, place, returned)
    return _by_row(found, len(order.host_rows))


def _event_before(recorded: dict[int, Recorded], correlation: int, place: int) -> Recorded | None:
    """The event of a record call; None where the trace has it recorded only after this place, which cannot be."""
    event = recorded.get(correlation)
    return event if event is not None and event.place < place else None


class _Queue(Struct, frozen=True):
    """The activities of one stream: where each was queued, when all up to it are over, and which of them ends then."""

    places: list[int]
    through_ns: list[int]
    last: list[int]

    @classmethod
    def of(cls, indices: list[int], places: list[int], ends_ns: Ints) -> _Queue:
        rows = np.array(indices, np.int64)
        last = rows[intervals.last_so_far(ends_ns[rows])]
        return cls(places, ends_ns[last].tolist(), last.tolist())


def _over(queues: list[_Queue], place: int, at_ns: int) -> list[int]:
    """Of what each stream was given before a place and had done by then, the activity that ended last."""
    found = []
    for queue in queues:
        done = bisect_right(queue.through_ns, at_ns, hi=bisect_left(queue.places, place))
        if done:
            found.append(queue.last[done - 1])
    return found


def _by_row(waits: dict[int, list[int]], count: int) -> list[list[int]]:
    """What each of so many rows waited for. Those that waited for nothing share one empty list: most of them do."""
    nothing: list[int] = []
    return [waits.get(row, nothing) for row in range(count)]


def _launched_by_stream(order: LaunchOrder) -> dict[int, tuple[list[int], list[int]]]:
    """As `LaunchOrder.by_stream`, by the stream's own number, of activities whose launch is known."""
    known = order.launched_by >= 0
    streams = order.step.device.stream[order.device_rows]
    found = {}
    for stream in values(streams[known]).tolist():
        indices = np.flatnonzero(known & (streams == stream))
        found[stream] = indices.tolist(), order.queued[indices].tolist()
    return found


def _infer_waits(order: LaunchOrder, held: dict[int, list[int]]) -> None:
    """Many traces do not name the event; an activity that starts late, as another stream's ends, waited for it."""
    device, rows = order.step.device, order.device_rows
    start, end, stream = device.start_ns[rows], device.end_ns[rows], stream_keys(device)[rows]
    if not len(rows) or (stream == stream[0]).all():
        return
    issued = np.where(order.launched_by >= 0, np.append(order.step.host.end_ns, 0)[device.call[rows]], 0)
    ready = np.maximum(np.append(end, 0)[ends_last_before(end, stream)], issued)
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


def ends_last_before(ends: Ints, streams: Ints) -> Ints:
    """Of each row, in launch order, that of those before it in its stream which ends last, shape (n,); -1 for none.

    Kernels of one stream overlap where they are branches of a graph, or launched to begin before others end.
    """
    by_end = np.argsort(ends, kind="stable")
    rank = np.empty(len(ends), np.int64)
    rank[by_end] = np.arange(len(ends))
    by_stream = np.argsort(streams, kind="stable")
    last = by_end[_most_so_far(rank, streams)][by_stream]
    previous = np.full(len(ends), -1, np.int64)
    follows = np.flatnonzero(streams[by_stream[1:]] == streams[by_stream[:-1]])
    previous[by_stream[follows + 1]] = last[follows]
    return previous


def _most_so_far(numbers: Ints, streams: Ints) -> Ints:
    """Of each row the largest number up to it in its stream, shape (n,). None is negative."""
    by_stream = np.argsort(streams, kind="stable")
    lane = np.cumsum(np.diff(streams[by_stream], prepend=streams[by_stream[:1]]) != 0)
    above = lane * (int(numbers.max(initial=0)) + 1)  # what no number of an earlier lane reaches
    most = np.empty(len(numbers), np.int64)
    most[by_stream] = np.maximum.accumulate(numbers[by_stream] + above) - above
    return most
