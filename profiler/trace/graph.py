"""The dependency graph of one step: what had to wait for what, with the delays that were seen.

Host rows are the runtime calls of the step in the order of time. Between two calls of one thread the host works.
Device rows are the activities in launch order. An activity starts when its launch has been issued, the stream before
it is done, and what an event made it wait for is over. A call that blocks ends after the activity that it waits for.
The columns hold what the trace showed; `profiler.attribute.replay` runs them again at other speeds.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from profiler.trace.input_waits import InputWaits
from profiler.trace.timeline import Call, Ints, Timeline
from profiler.trace.waits import (
    LaunchOrder,
    block_host,
    ends_last_before,
    held_by,
    recorded_activities,
    stream_keys,
    waited_for,
)

Floats = NDArray[np.float64]

# A blocking call returns this soon after what it waited for, or it did not wait for it. Waking a thread takes less.
WAKE_UP_NS = 1_000_000
_NEVER = np.iinfo(np.int64).min


class DependencyGraph(Struct, frozen=True):
    """One step. Times are microseconds from the step's start; rows of device columns are in launch order.

    `gap_us` is host work before a call, after `input_us` of waiting for a data loader; `call_us` is the call itself,
    without the time it spent blocked; `wake_us` is what a blocking call takes after the activity it waited for.
    `issue_delay_us` lies between the end of the launching call and the start of the activity on an idle stream,
    `stream_gap_us` between the end of what ran before it in the stream and its start when the launch came early, below
    zero where it began before that end: so much of its `duration_us` lies under what ran before. An activity enters
    its stream with the last call that launched one of the rows up to it.
    """

    thread: list[int]
    call_start_us: list[float]
    input_us: list[float]
    gap_us: list[float]
    call_us: list[float]
    wake_us: list[float]
    kind: list[str]
    waits_for: list[list[int]]  # device rows that a blocking call waits for; empty ones may be one and the same
    tail_us: list[float]  # host work of each thread after its last call
    launched_by: list[int]  # host row of each device row; -1: launched before the step, or nobody knows by what
    stream: list[int]
    start_us: list[float]
    duration_us: list[float]
    activity: list[int]
    source_row: list[int]  # row in the step's timeline
    issue_delay_us: list[float]
    stream_gap_us: list[float]
    held_by: list[list[int]]  # device rows of other streams that an event made it wait for
    wall_us: float
    source_call: list[int] = field(default_factory=list)  # row of each call in the step's timeline

    @property
    def host_us(self) -> float:
        """Time that the busiest host thread works: everything but blocking."""
        return sum(self.host_split_us)

    @property
    def host_split_us(self) -> tuple[float, float]:
        """Of the busiest host thread the time in calls to the driver, and that of its other work."""
        calls, others = [0.0] * len(self.tail_us), list(self.tail_us)
        for thread, gap, call, wake in zip(self.thread, self.gap_us, self.call_us, self.wake_us, strict=True):
            calls[thread] += call
            others[thread] += gap + wake
        return max(zip(calls, others, strict=True), key=sum, default=(0.0, 0.0))


def build_graph(step: Timeline, start_ns: int, end_ns: int) -> DependencyGraph:
    """The graph of one step's timeline between two times on the host's clock.

    The step ends when the host is through and the device has finished what the host gave it.
    """
    order = LaunchOrder.of(step)
    recorded = recorded_activities(order)
    held = held_by(order, recorded)
    waits_for = waited_for(order, recorded)
    issue_delay, stream_gap = _delays(order, held, start_ns)
    host = _host_times(order, waits_for, start_ns, end_ns)

    device, rows = step.device, order.device_rows
    last_device = int(device.end_ns.max(initial=end_ns))
    return DependencyGraph(
        thread=host.thread.tolist(),
        call_start_us=((step.host.start_ns[order.host_rows] - start_ns) / 1e3).tolist(),
        input_us=host.input_us.tolist(),
        gap_us=host.gap_us.tolist(),
        call_us=host.call_us.tolist(),
        wake_us=host.wake_us.tolist(),
        kind=[_CALL_NAMES[kind] for kind in step.host.kind[order.host_rows].tolist()],
        waits_for=waits_for,
        tail_us=host.tail_us,
        launched_by=order.launched_by.tolist(),
        stream=stream_keys(device)[rows].tolist(),
        start_us=((device.start_ns[rows] - start_ns) / 1e3).tolist(),
        duration_us=((device.end_ns[rows] - device.start_ns[rows]) / 1e3).tolist(),
        activity=device.kind[rows].tolist(),
        source_row=rows.tolist(),
        issue_delay_us=issue_delay.tolist(),
        stream_gap_us=stream_gap.tolist(),
        held_by=held,
        wall_us=(last_device - start_ns) / 1e3,
        source_call=order.host_rows.tolist(),
    )


_CALL_NAMES = [call.name.lower() for call in Call]


def _delays(order: LaunchOrder, held_by: list[list[int]], start_ns: int) -> tuple[Floats, Floats]:
    """Issue delay and stream gap of each activity: the one that bound it as seen, the other as usual here."""
    device, host, rows = order.step.device, order.step.host, order.device_rows
    begin, end, call = device.start_ns[rows], device.end_ns[rows], device.call[rows]
    launched = call >= 0
    called, issued = (np.append(column, 0)[call] for column in (host.start_ns, host.end_ns))
    before = np.append(end, _NEVER)[ends_last_before(end, stream_keys(device)[rows])]
    follows = before > _NEVER
    held_until = np.full(len(rows), _NEVER)
    for index, others in enumerate(held_by):
        if others:
            held_until[index] = end[others].max()

    by_event = (held_until > _NEVER) & (held_until >= before)
    # The call of a blocking copy ends with it, so the graph counts its issue from its own start.
    itself = ~by_event & launched & block_host(device)[rows]
    by_stream = ~by_event & ~itself & follows & (~launched | (issued <= before))
    by_launch = ~by_event & ~itself & ~by_stream & launched
    by_start = ~by_event & ~follows & ~launched

    issue, gap = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    issue[itself] = 0.0
    gap[by_stream] = np.maximum(begin - before, 0)[by_stream] / 1e3
    issue[by_launch] = (np.maximum(begin, called) - issued)[by_launch] / 1e3
    issue[by_start] = np.maximum(begin - start_ns, 0)[by_start] / 1e3
    # Where no gap was seen there is none to add: the fixed cost of a kernel is the period of the smallest.
    issue, gap = _as_usual(issue, launched), _as_usual(gap, launched)
    overlaps = follows & (begin < before)
    gap[overlaps] = (begin - before)[overlaps] / 1e3
    return issue, gap


def _as_usual(seen: Floats, launched: NDArray[np.bool_]) -> Floats:
    """With the median of what was seen where nothing was; what is not known to be launched is not usual."""
    known = np.sort(seen[~np.isnan(seen) & launched])
    # `numpy.median` does the same, and imports numpy's masked arrays to do so: 7 ms.
    middle = known[(len(known) - 1) // 2 : len(known) // 2 + 1]
    return np.where(np.isnan(seen), middle.mean() if len(known) else 0.0, seen)


class _HostTimes(Struct, frozen=True):
    """Of each call the thread, the wait for input and the work before it, its own time and its wake-up time; of each
    thread the work after its last call.
    """

    thread: Ints
    input_us: Floats
    gap_us: Floats
    call_us: Floats
    wake_us: Floats
    tail_us: list[float]


def _host_times(order: LaunchOrder, waits_for: list[list[int]], start_ns: int, end_ns: int) -> _HostTimes:
    host, device, rows = order.step.host, order.step.device, order.host_rows
    threads, thread = np.unique(host.thread[rows], return_inverse=True)
    start, end = host.start_ns[rows], host.end_ns[rows]
    waits = InputWaits(order.step)
    free = np.full(len(rows), start_ns)  # when the thread was through with what came before
    waited_ns = np.zeros(len(rows), np.int64)
    tail = [(end_ns - start_ns) / 1e3] if not len(rows) else []
    for number, key in enumerate(threads.tolist()):
        mine = np.flatnonzero(thread == number)
        through = np.maximum.accumulate(np.maximum(np.maximum(start, end)[mine], start_ns))
        free[mine[1:]] = through[:-1]
        waited_ns[mine] = waits.within_ns(free[mine], np.maximum(start, free)[mine], key)
        tail.append(max(end_ns - int(through[-1]), 0) / 1e3)
    begin = np.maximum(start, free)
    input_us = waited_ns / 1e3
    call_us, wake_us = (end - begin) / 1e3, np.zeros(len(rows))
    ends, starts = device.end_ns[order.device_rows], device.start_ns[order.device_rows]
    for place, waited in enumerate(waits_for):
        if not waited:
            continue
        released, begun = int(ends[waited].max()), int(begin[place])
        if released > begun and abs(int(end[place]) - released) < WAKE_UP_NS:
            # A call that waits for its own activity had issued it at the activity's start. A sync blocks at once.
            own = [int(starts[index]) for index in waited if order.launched_by[index] == place]
            call_us[place] = (max(min(own, default=begun), begun) - begun) / 1e3
            wake_us[place] = (int(end[place]) - released) / 1e3
    return _HostTimes(thread, input_us, (begin - free) / 1e3 - input_us, call_us, wake_us, tail)
