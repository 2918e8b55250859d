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

from profiler.trace.input_waits import InputWaits
from profiler.trace.timeline import Call, Timeline
from profiler.trace.waits import blocks_host, held_by, recorded_activities, stream_key, waited_for

# A blocking call returns this soon after what it waited for, or it did not wait for it. Waking a thread takes less.
_WAKE_UP_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class DependencyGraph:
    """One step. Times are microseconds from the step's start; rows of device columns are in launch order.

    `gap_us` is host work before a call, after `input_us` of waiting for a data loader; `call_us` is the call itself,
    without the time it spent blocked; `wake_us` is what a blocking call takes after the activity it waited for.
    `issue_delay_us` lies between the end of the launching call and the start of the activity on an idle stream,
    `stream_gap_us` between the end of the activity before it in the stream and its start when the launch came early.
    """

    thread: list[int]
    call_start_us: list[float]
    input_us: list[float]
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

    recorded = recorded_activities(step, host_rows, device_rows, launched)
    held = held_by(step, host_rows, device_rows, launched, recorded)
    issue_delay, stream_gap = _delays(step, device_rows, held, start_ns)
    waits_for = waited_for(step, host_rows, device_rows, launched, recorded)
    thread, inputs, gap, call, wake, tail = _host_times(step, host_rows, device_rows, waits_for, start_ns, end_ns)

    last_device = max((int(step.device.end_ns[row]) for row in device_rows), default=end_ns)
    return DependencyGraph(
        thread=thread,
        call_start_us=[(int(step.host.start_ns[row]) - start_ns) / 1e3 for row in host_rows],
        input_us=inputs,
        gap_us=gap,
        call_us=call,
        wake_us=wake,
        kind=[Call(int(step.host.kind[row])).name.lower() for row in host_rows],
        waits_for=waits_for,
        tail_us=tail,
        launched_by=[host_index.get(int(step.device.call[row]), -1) for row in device_rows],
        stream=[stream_key(step, row) for row in device_rows],
        start_us=[(int(step.device.start_ns[row]) - start_ns) / 1e3 for row in device_rows],
        duration_us=[(int(step.device.end_ns[row]) - int(step.device.start_ns[row])) / 1e3 for row in device_rows],
        activity=[int(step.device.kind[row]) for row in device_rows],
        source_row=device_rows,
        issue_delay_us=issue_delay,
        stream_gap_us=stream_gap,
        held_by=held,
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


def _delays(
    step: Timeline, device_rows: list[int], held_by: list[list[int]], start_ns: int
) -> tuple[list[float], list[float]]:
    """Issue delay and stream gap of each activity: the one that bound it as seen, the other as usual here."""
    start, end = step.device.start_ns, step.device.end_ns
    previous: dict[int, int] = {}
    issue: list[float | None] = []
    gap: list[float | None] = []
    for index, row in enumerate(device_rows):
        stream = stream_key(step, row)
        call = int(step.device.call[row])
        begin = int(start[row])
        issued = int(step.host.end_ns[call]) if call >= 0 else None
        before = previous.get(stream)
        held_until = max((int(end[device_rows[other]]) for other in held_by[index]), default=None)
        previous[stream] = int(end[row])
        seen_issue, seen_gap = None, None
        if held_until is not None and (before is None or held_until >= before):
            pass  # the event bound it
        elif call >= 0 and blocks_host(step, row):
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
    # Where no gap was seen there is none to add: the fixed cost of a kernel is the period of the smallest.
    usual_gap = median([value for value in gap if value is not None] or [0.0])
    return (
        [usual_issue if value is None else value for value in issue],
        [usual_gap if value is None else value for value in gap],
    )


def _host_times(
    step: Timeline,
    host_rows: list[int],
    device_rows: list[int],
    waits_for: list[list[int]],
    start_ns: int,
    end_ns: int,
) -> tuple[list[int], list[float], list[float], list[float], list[float], list[float]]:
    """Of each call the thread, the wait for input and the work before it, its own time and its wake-up time; of each
    thread the work after its last call.
    """
    host, device = step.host, step.device
    threads = sorted({int(host.thread[row]) for row in host_rows})
    position = {thread: index for index, thread in enumerate(threads)}
    free_at = dict.fromkeys(threads, start_ns)
    thread, inputs, gap, call, wake = [], [], [], [], []
    waits = InputWaits(step)
    for row, waited in zip(host_rows, waits_for, strict=True):
        key = int(host.thread[row])
        begin, end = max(int(host.start_ns[row]), free_at[key]), int(host.end_ns[row])
        thread.append(position[key])
        inputs.append(waits.within_us(free_at[key], begin, key))
        gap.append((begin - free_at[key]) / 1e3 - inputs[-1])
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
    return thread, inputs, gap, call, wake, tail


def _issue_end(step: Timeline, row: int, device_rows: list[int], waited: list[int], begin: int) -> int:
    """When a call that waits for its own activity had issued it: at the activity's start. A sync blocks at once."""
    own = [
        int(step.device.start_ns[device_rows[index]]) for index in waited if step.device.call[device_rows[index]] == row
    ]
    return max(min(own, default=begin), begin)
