"""The dependency graph of one step: what had to wait for what, with the delays that were seen.

Host rows are the runtime calls of the step in the order of time. Between two calls of one thread the host works.
Device rows are the activities in launch order. An activity starts when its launch has been issued, the stream before
it is done, and what an event made it wait for is over. A call that blocks ends after the activity that it waits for.
The columns hold what the trace showed; `profiler.attribute.replay` runs them again at other speeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np

from profiler.trace.timeline import Activity, Call, Timeline

# An activity that starts this long after its stream and its launch were ready must have waited for something else:
# several times the few microseconds that the device needs to pick up a launch.
_UNEXPLAINED_WAIT_NS = 10_000
# How close to the end of another stream's activity it must then start for that activity to be what it waited for.
_EVENT_LATENCY_NS = 10_000
# A blocking call returns this soon after what it waited for, or it did not wait for it. Waking a thread takes less.
_WAKE_UP_NS = 1_000_000
# More than any device has: stream numbers of one device stay below it.
_STREAMS_OF_A_DEVICE = 100_000


@dataclass(frozen=True, slots=True)
class DependencyGraph:
    """One step. Times are microseconds from the step's start; rows of device columns are in launch order.

    `gap_us` is host work before a call; `call_us` is the call itself, without the time it spent blocked;
    `wake_us` is what a blocking call takes after the activity it waited for. `issue_delay_us` lies between the end
    of the launching call and the start of the activity on an idle stream, `stream_gap_us` between the end of the
    activity before it in the stream and its start when the launch came early.
    """

    thread: list[int]
    call_start_us: list[float]
    gap_us: list[float]
    call_us: list[float]
    wake_us: list[float]
    kind: list[str]
    waits_for: list[list[int]]  # device rows that a blocking call waits for
    tail_us: list[float]  # host work of each thread after its last call
    launched_by: list[int]  # host row of each device row; -1: launched before the step
    stream: list[int]
    start_us: list[float]
    duration_us: list[float]
    activity: list[int]
    source_row: list[int]  # row in the step's timeline
    issue_delay_us: list[float]
    stream_gap_us: list[float]
    held_by: list[list[int]]  # device rows of other streams that an event made it wait for
    wall_us: float

    @property
    def host_us(self) -> float:
        """Time that the busiest host thread works: everything but blocking."""
        work = [0.0] * len(self.tail_us)
        for thread, gap, call, wake in zip(self.thread, self.gap_us, self.call_us, self.wake_us, strict=True):
            work[thread] += gap + call + wake
        return max((busy + tail for busy, tail in zip(work, self.tail_us, strict=True)), default=0.0)


def build_graph(step: Timeline, start_ns: int, end_ns: int) -> DependencyGraph:
    """The graph of one step's timeline between two times on the host's clock.

    The step ends when the host is through and the device has finished what the host gave it.
    """
    host_rows = _relevant_calls(step)
    host_index = {row: index for index, row in enumerate(host_rows)}
    device_rows = _launch_order(step, host_index)
    launched = _launched(step, device_rows)

    held_by = _held_by(step, host_rows, device_rows, launched)
    issue_delay, stream_gap = _delays(step, device_rows, held_by, start_ns)
    waits_for = _waited_for(step, host_rows, device_rows, launched)
    thread, gap, call, wake, tail = _host_times(step, host_rows, device_rows, waits_for, start_ns, end_ns)

    last_device = max((int(step.device.end_ns[row]) for row in device_rows), default=end_ns)
    return DependencyGraph(
        thread=thread,
        call_start_us=[(int(step.host.start_ns[row]) - start_ns) / 1e3 for row in host_rows],
        gap_us=gap,
        call_us=call,
        wake_us=wake,
        kind=[Call(int(step.host.kind[row])).name.lower() for row in host_rows],
        waits_for=waits_for,
        tail_us=tail,
        launched_by=[host_index.get(int(step.device.call[row]), -1) for row in device_rows],
        stream=[_stream_key(step, row) for row in device_rows],
        start_us=[(int(step.device.start_ns[row]) - start_ns) / 1e3 for row in device_rows],
        duration_us=[(int(step.device.end_ns[row]) - int(step.device.start_ns[row])) / 1e3 for row in device_rows],
        activity=[int(step.device.kind[row]) for row in device_rows],
        source_row=device_rows,
        issue_delay_us=issue_delay,
        stream_gap_us=stream_gap,
        held_by=held_by,
        wall_us=(max(end_ns, last_device) - start_ns) / 1e3,
    )


def _relevant_calls(step: Timeline) -> list[int]:
    """Calls that give the device work or wait for it; all others are plain host work."""
    kinds = step.host.kind
    launching = np.unique(step.device.call[step.device.call >= 0])
    relevant = np.isin(kinds, [Call.SYNC, Call.EVENT_WAIT, Call.EVENT_RECORD])
    relevant[launching] = True
    return [int(row) for row in np.flatnonzero(relevant)]


def _launch_order(step: Timeline, host_index: dict[int, int]) -> list[int]:
    """Device rows by launch, those of one launch by start; rows without a launch come by their start alone."""
    call = step.device.call
    start = step.device.start_ns

    def key(row: int) -> tuple[int, int]:
        launch = host_index.get(int(call[row]), -1)
        return (launch, int(start[row]))

    return sorted(range(len(step.device)), key=key)


def _launched(step: Timeline, device_rows: list[int]) -> dict[int, list[int]]:
    """The activities of each launching call, by its row."""
    launched: dict[int, list[int]] = {}
    for index, row in enumerate(device_rows):
        launched.setdefault(int(step.device.call[row]), []).append(index)
    return launched


def _stream_key(step: Timeline, row: int) -> int:
    """One number for device and stream: streams of two devices are different queues."""
    return int(step.device.device[row]) * _STREAMS_OF_A_DEVICE + int(step.device.stream[row])


def _held_by(
    step: Timeline, host_rows: list[int], device_rows: list[int], launched: dict[int, list[int]]
) -> list[list[int]]:
    """Activities of other streams that each activity waited for: from event calls, else from the times."""
    held: list[list[int]] = [[] for _ in device_rows]
    last_on_stream: dict[int, int] = {}
    recorded: dict[int, int] = {}  # the last activity before each event record, by the record's correlation
    pending: dict[int, list[int]] = {}
    for row in host_rows:
        kind, stream = int(step.host.kind[row]), int(step.host.stream[row])
        if kind == Call.EVENT_RECORD and stream in last_on_stream:
            recorded[int(step.host.correlation[row])] = last_on_stream[stream]
        elif kind == Call.EVENT_WAIT and stream >= 0 and int(step.host.waits_for[row]) in recorded:
            pending.setdefault(stream, []).append(recorded[int(step.host.waits_for[row])])
        for index in launched.get(row, ()):
            on_stream = int(step.device.stream[device_rows[index]])
            held[index].extend(pending.pop(on_stream, []))
            last_on_stream[on_stream] = index
    _infer_waits(step, device_rows, held)
    return held


def _infer_waits(step: Timeline, device_rows: list[int], held: list[list[int]]) -> None:
    """Many traces do not name the event; an activity that starts late, as another stream's ends, waited for it."""
    start, end = step.device.start_ns, step.device.end_ns
    streams = {_stream_key(step, row) for row in device_rows}
    if len(streams) < 2:
        return
    previous_end: dict[int, int] = {}
    ends = sorted((int(end[row]), index) for index, row in enumerate(device_rows))
    end_times = [time for time, _ in ends]
    for index, row in enumerate(device_rows):
        stream = _stream_key(step, row)
        call = int(step.device.call[row])
        issued = int(step.host.end_ns[call]) if call >= 0 else 0
        ready = max(previous_end.get(stream, 0), issued)
        previous_end[stream] = int(end[row])
        if held[index] or int(start[row]) - ready < _UNEXPLAINED_WAIT_NS:
            continue
        position = int(np.searchsorted(end_times, int(start[row]), side="right")) - 1
        while position >= 0 and int(start[row]) - end_times[position] <= _EVENT_LATENCY_NS:
            other = ends[position][1]
            if other < index and _stream_key(step, device_rows[other]) != stream:
                held[index].append(other)
                break
            position -= 1


def _delays(
    step: Timeline, device_rows: list[int], held_by: list[list[int]], start_ns: int
) -> tuple[list[float], list[float]]:
    """Issue delay and stream gap of each activity: the one that bound it as seen, the other as usual here."""
    start, end = step.device.start_ns, step.device.end_ns
    previous: dict[int, int] = {}
    issue: list[float | None] = []
    gap: list[float | None] = []
    for index, row in enumerate(device_rows):
        stream = _stream_key(step, row)
        call = int(step.device.call[row])
        begin = int(start[row])
        issued = int(step.host.end_ns[call]) if call >= 0 else None
        before = previous.get(stream)
        held_until = max((int(end[device_rows[other]]) for other in held_by[index]), default=None)
        previous[stream] = int(end[row])
        seen_issue, seen_gap = None, None
        if held_until is not None and (before is None or held_until >= before):
            pass  # the event bound it
        elif call >= 0 and _blocks_host(step, row):
            seen_issue = 0.0  # its call ends with it, so the graph counts its issue from its own start
        elif before is not None and (issued is None or issued <= before):
            seen_gap = max(begin - before, 0) / 1e3
        elif issued is not None:
            earliest = (int(step.host.start_ns[call]) - issued) / 1e3
            seen_issue = max((begin - issued) / 1e3, earliest)
        elif before is None and issued is None:
            seen_issue = max((begin - start_ns) / 1e3, 0.0)
        issue.append(seen_issue)
        gap.append(seen_gap)
    usual_issue = median([value for value in issue if value is not None] or [0.0])
    usual_gap = median([value for value in gap if value is not None] or [min(max(usual_issue, 0.0), 1.0)])
    return (
        [usual_issue if value is None else value for value in issue],
        [usual_gap if value is None else value for value in gap],
    )


def _waited_for(
    step: Timeline, host_rows: list[int], device_rows: list[int], launched: dict[int, list[int]]
) -> list[list[int]]:
    """The activities, one a stream, whose end each blocking call waited for.

    A sync waits for what had been launched before it and was over when it returned; a copy from or to pageable
    memory waits for itself.
    """
    host, device = step.host, step.device
    by_stream: dict[int, list[int]] = {}  # launched so far, the latest last
    for index in launched.get(-1, ()):
        by_stream.setdefault(_stream_key(step, device_rows[index]), []).append(index)
    found: list[list[int]] = []
    for row in host_rows:
        mine = launched.get(row, [])
        waited: list[int] = []
        if host.kind[row] == Call.COPY:
            waited = [index for index in mine if _blocks_host(step, device_rows[index])]
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
            by_stream.setdefault(_stream_key(step, device_rows[index]), []).append(index)
    return found


def _host_times(
    step: Timeline,
    host_rows: list[int],
    device_rows: list[int],
    waits_for: list[list[int]],
    start_ns: int,
    end_ns: int,
) -> tuple[list[int], list[float], list[float], list[float], list[float]]:
    """Thread, work before, own time and wake-up time of each call, and each thread's work after its last call."""
    host, device = step.host, step.device
    threads = sorted({int(host.thread[row]) for row in host_rows})
    position = {thread: index for index, thread in enumerate(threads)}
    free_at = dict.fromkeys(threads, start_ns)
    thread, gap, call, wake = [], [], [], []
    for row, waited in zip(host_rows, waits_for, strict=True):
        key = int(host.thread[row])
        begin, end = max(int(host.start_ns[row]), free_at[key]), int(host.end_ns[row])
        thread.append(position[key])
        gap.append((begin - free_at[key]) / 1e3)
        released = max((int(device.end_ns[device_rows[index]]) for index in waited), default=begin)
        if waited and released > begin and abs(end - released) < _WAKE_UP_NS:
            own_end = _issue_end(step, row, device_rows, waited, begin)
            call.append((own_end - begin) / 1e3)
            wake.append((end - released) / 1e3)
        else:
            call.append((end - begin) / 1e3)
            wake.append(0.0)
        free_at[key] = max(end, begin)
    tail = [max(end_ns - free_at[key], 0) / 1e3 for key in threads] or [(end_ns - start_ns) / 1e3]
    return thread, gap, call, wake, tail


def _issue_end(step: Timeline, row: int, device_rows: list[int], waited: list[int], begin: int) -> int:
    """When a call that waits for its own activity had issued it: at the activity's start. A sync blocks at once."""
    own = [
        int(step.device.start_ns[device_rows[index]]) for index in waited if step.device.call[device_rows[index]] == row
    ]
    return max(min(own, default=begin), begin)


def _blocks_host(step: Timeline, row: int) -> bool:
    """Whether the call that launched this copy returns only when the copy is over: pageable memory is staged."""
    return bool(step.device.pageable[row]) and Activity(int(step.device.kind[row])).is_host_copy
