"""Who waited for whom: streams for events, the host for the device."""

from __future__ import annotations

import numpy as np

from profiler.trace.timeline import Activity, Call, Timeline

# An activity that starts this long after its stream and its launch were ready must have waited for something else:
# several times the few microseconds that the device needs to pick up a launch.
_UNEXPLAINED_WAIT_NS = 10_000
# How close to the end of another stream's activity it must then start for that activity to be what it waited for.
_EVENT_LATENCY_NS = 10_000
# More than any device has: stream numbers of one device stay below it.
_STREAMS_OF_A_DEVICE = 100_000


def stream_key(step: Timeline, row: int) -> int:
    """One number for device and stream: streams of two devices are different queues."""
    return int(step.device.device[row]) * _STREAMS_OF_A_DEVICE + int(step.device.stream[row])


def blocks_host(step: Timeline, row: int) -> bool:
    """Whether the call that launched this copy returns only when the copy is over: pageable memory is staged."""
    return bool(step.device.pageable[row]) and Activity(int(step.device.kind[row])).is_host_copy


def recorded_activities(
    step: Timeline, host_rows: list[int], device_rows: list[int], launched: dict[int, list[int]]
) -> dict[int, int]:
    """For each event record, by its correlation, the last activity launched on its stream before it."""
    last_on_stream: dict[int, int] = {}
    recorded: dict[int, int] = {}
    for row in host_rows:
        for index in launched.get(row, ()):
            last_on_stream[int(step.device.stream[device_rows[index]])] = index
        stream = int(step.host.stream[row])
        if step.host.kind[row] == Call.EVENT_RECORD and stream in last_on_stream:
            recorded[int(step.host.correlation[row])] = last_on_stream[stream]
    return recorded


def held_by(
    step: Timeline,
    host_rows: list[int],
    device_rows: list[int],
    launched: dict[int, list[int]],
    recorded: dict[int, int],
) -> list[list[int]]:
    """Activities of other streams that each activity waited for: from event calls, else from the times."""
    held: list[list[int]] = [[] for _ in device_rows]
    pending: dict[int, list[int]] = {}
    for row in host_rows:
        stream, event = int(step.host.stream[row]), int(step.host.waits_for[row])
        if step.host.kind[row] == Call.EVENT_WAIT and stream >= 0 and event in recorded:
            pending.setdefault(stream, []).append(recorded[event])
        for index in launched.get(row, ()):
            held[index].extend(pending.pop(int(step.device.stream[device_rows[index]]), []))
    _infer_waits(step, device_rows, held)
    return held


def waited_for(
    step: Timeline,
    host_rows: list[int],
    device_rows: list[int],
    launched: dict[int, list[int]],
    recorded: dict[int, int],
) -> list[list[int]]:
    """The activities, one a stream, whose end each blocking call waited for.

    A sync waits for its event, else for what had been launched before it and was over when it returned; a copy from
    or to pageable memory waits for itself.
    """
    host, device = step.host, step.device
    by_stream: dict[int, list[int]] = {}  # launched so far, the latest last
    for index in launched.get(-1, ()):
        by_stream.setdefault(stream_key(step, device_rows[index]), []).append(index)
    found: list[list[int]] = []
    for row in host_rows:
        mine = launched.get(row, [])
        waited: list[int] = []
        if host.kind[row] == Call.COPY:
            waited = [index for index in mine if blocks_host(step, device_rows[index])]
        elif host.kind[row] == Call.SYNC and int(host.waits_for[row]) in recorded:
            waited = [recorded[int(host.waits_for[row])]]
        elif host.kind[row] == Call.SYNC:
            over = {
                stream: next((i for i in reversed(rows) if device.end_ns[device_rows[i]] <= host.end_ns[row]), None)
                for stream, rows in by_stream.items()
            }
            done = {stream: index for stream, index in over.items() if index is not None}
            on_stream = int(host.stream[row])
            its_own = {s: index for s, index in done.items() if s % _STREAMS_OF_A_DEVICE == on_stream}
            waited = list((its_own or done).values())
        found.append(waited)
        for index in mine:
            by_stream.setdefault(stream_key(step, device_rows[index]), []).append(index)
    return found


def _infer_waits(step: Timeline, device_rows: list[int], held: list[list[int]]) -> None:
    """Many traces do not name the event; an activity that starts late, as another stream's ends, waited for it."""
    start, end = step.device.start_ns, step.device.end_ns
    streams = {stream_key(step, row) for row in device_rows}
    if len(streams) < 2:
        return
    previous_end: dict[int, int] = {}
    ends = sorted((int(end[row]), index) for index, row in enumerate(device_rows))
    end_times = [time for time, _ in ends]
    for index, row in enumerate(device_rows):
        stream = stream_key(step, row)
        call = int(step.device.call[row])
        issued = int(step.host.end_ns[call]) if call >= 0 else 0
        ready = max(previous_end.get(stream, 0), issued)
        previous_end[stream] = int(end[row])
        if held[index] or int(start[row]) - ready < _UNEXPLAINED_WAIT_NS:
            continue
        position = int(np.searchsorted(end_times, int(start[row]), side="right")) - 1
        while position >= 0 and int(start[row]) - end_times[position] <= _EVENT_LATENCY_NS:
            other = ends[position][1]
            if other < index and stream_key(step, device_rows[other]) != stream:
                held[index].append(other)
                break
            position -= 1
