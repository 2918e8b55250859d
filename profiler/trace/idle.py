"""What the device waited for in each gap of a trace, to the nanosecond.

A gap is laid at the door of what ended it. Where its launch was issued before the gap began, the wait was for another
stream or is the device's own. Where it came later, the device waited for the host until the launch was issued: the host
was blocked in a sync when the gap began, or fetched its input, or staged pageable memory, or did nothing at all; else
it was at work, which is launching late.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from profiler.report.analysis import PartName
from profiler.trace import intervals
from profiler.trace.accounting import idle_gaps
from profiler.trace.distinct import values
from profiler.trace.graph import DependencyGraph
from profiler.trace.host_work import innermost_frames
from profiler.trace.input_waits import InputWaits
from profiler.trace.timeline import Call, Ints, Timeline
from profiler.trace.waits import block_host

# Between two operations of a model, Python needs microseconds to tens of them. No operation, call or range on any
# thread for longer than this is no dispatching: nobody asked for anything.
_SILENCE_NS = 1_000_000
_PROFILER_STEP = "ProfilerStep#"
# Functions of Python's library in which a thread waits for a time, a lock, a socket or another thread.
_WAITING = re.compile(r"\b(sleep|poll|select|acquire|wait|wait_for|recv|recv_into|accept)\b")


class LateLaunches(Struct, frozen=True):
    """Gaps that one thread's launches ended late: idle from `begin`, blocked until `resumed`, launched at `issued`.

    Sorted and disjoint, times of shape (n,). `spans` are merged spans of this thread's time after `resumed` that was
    not launching, by what it was; they are disjoint.
    """

    thread: int
    begin_ns: Ints
    resumed_ns: Ints
    issued_ns: Ints
    spans: dict[PartName, Ints]


class Gaps(Struct, frozen=True):
    """All gaps, shape (n,) each: the row that ends it, that row's launching call, and when it was issued."""

    begin: Ints
    end: Ints
    ended_by: Ints
    call: Ints
    issued: Ints  # within the gap; its begin where it was issued before, or nobody knows


def idle_ns(timeline: Timeline, graph: DependencyGraph, late: Sequence[LateLaunches]) -> dict[PartName, int]:
    """Nanoseconds of idle time by cause; they sum to the idle time of the span.

    `graph` is that of the whole timeline: it says who waited for another stream; `late` are its `late_launches`.
    """
    gaps = find_gaps(timeline)
    begin, end, call, issued = gaps.begin, gaps.end, gaps.call, gaps.issued
    found = dict.fromkeys((name for name in PartName if name.is_idle), 0)
    elsewhere = (call >= 0) & (issued == begin) & np.isin(gaps.ended_by, held_by_another_stream(timeline, graph))
    found[PartName.IDLE_UNKNOWN] = int((end - begin)[call < 0].sum())
    found[PartName.IDLE_OTHER_STREAM] = int((end - begin)[elsewhere].sum())
    found[PartName.IDLE_LAUNCH_GAP] = int((end - issued)[(call >= 0) & ~elsewhere].sum())
    for each in late:
        found[PartName.IDLE_SYNC] += int((each.resumed_ns - each.begin_ns).sum())
        rest = int((each.issued_ns - each.resumed_ns).sum())
        for name, spans in each.spans.items():
            before_issue = intervals.covered_before(spans, each.issued_ns)
            inside = int((before_issue - intervals.covered_before(spans, each.resumed_ns)).sum())
            found[name] += inside
            rest -= inside
        found[PartName.IDLE_HOST] += rest
    return {name: ns for name, ns in found.items() if ns}


def late_launches(timeline: Timeline) -> list[LateLaunches]:
    """The gaps in which the device waited for the host, thread by thread."""
    gaps = find_gaps(timeline)
    late = gaps.issued > gaps.begin
    if not late.any():
        return []
    host = timeline.host
    silence = _silence(timeline, int(gaps.begin[0]), int(gaps.end[-1]))
    threads = np.append(host.thread, -1)[gaps.call]
    found = []
    for number in values(threads[late]).tolist():
        begin, issued = gaps.begin[late & (threads == number)], gaps.issued[late & (threads == number)]
        mine = host.thread == number
        syncs = intervals.merge(_calls(timeline, mine & (host.kind == Call.SYNC)))
        inputs = intervals.merge(InputWaits(timeline).spans_ns(number))
        spans = {
            PartName.IDLE_INPUT: inputs,
            PartName.IDLE_STAGING: intervals.subtract(_calls(timeline, mine & _staging(timeline)), inputs),
            PartName.IDLE_NOTHING_ASKED: silence,
        }
        resumed = np.minimum(np.maximum(_end_of_what_holds(syncs, begin), begin), issued)
        found.append(LateLaunches(number, begin, resumed, issued, spans))
    return found


def find_gaps(timeline: Timeline) -> Gaps:
    """All gaps of the device, in the order of time."""
    gaps, ended_by = idle_gaps(timeline.device)
    begin, end = gaps.T
    device, host = timeline.device, timeline.host
    call = np.append(device.call, -1)[ended_by]
    begun = np.append(device.start_ns, 0)[ended_by]
    stages = np.append(block_host(device), False)[ended_by]
    # A copy of pageable memory reaches the device when the host has staged it, at its own start.
    issued = np.where(stages, begun, np.append(host.end_ns, 0)[call])
    return Gaps(begin, end, ended_by, call, np.where(call >= 0, np.clip(issued, begin, end), begin))


def _end_of_what_holds(merged: Ints, instants: Ints) -> Ints:
    """For each instant the end of the interval that holds it, else 0."""
    if not len(merged):
        return np.zeros(len(instants), np.int64)
    row = np.searchsorted(merged[:, 0], instants, side="right") - 1
    return np.where(row >= 0, merged[np.maximum(row, 0), 1], 0)


def _staging(timeline: Timeline) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which host calls copy from or to pageable memory."""
    device = timeline.device
    staged = np.zeros(len(timeline.host), np.bool_)
    staged[device.call[block_host(device) & (device.call >= 0)]] = True
    return staged


def _silence(timeline: Timeline, start: int, end: int) -> Ints:
    """Stretches in which no thread of the host was seen at work, merged.

    An operation, a call, a range that the program opened, or a Python function that called no other is work. The range
    of a profiler's step lies around everything, and a function that waits by its name does nothing.
    """
    ranges, frames = timeline.ranges, timeline.frames
    says_nothing = np.array([name.startswith(_PROFILER_STEP) for name in timeline.names], np.bool_)
    opened = np.flatnonzero(~says_nothing[ranges.name])
    running = innermost_frames(timeline)
    running = running[[_WAITING.search(timeline.names[name]) is None for name in frames.name[running].tolist()]]
    spans = [intervals.from_columns(table.start_ns, table.end_ns) for table in (timeline.host, timeline.operations)]
    spans += [
        intervals.from_columns(table.start_ns[rows], table.end_ns[rows])
        for table, rows in ((ranges, opened), (frames, running))
    ]
    silent = intervals.complement(np.concatenate([*spans, timeline.overhead]), start, end)
    return silent[silent[:, 1] - silent[:, 0] >= _SILENCE_NS]


def held_by_another_stream(timeline: Timeline, graph: DependencyGraph) -> Ints:
    """Device rows that started when something on another stream had ended."""
    rows = [
        graph.source_row[index]
        for index, held in enumerate(graph.held_by)
        if held and any(graph.stream[other] != graph.stream[index] for other in held)
    ]
    return np.array(rows, np.int64)


def _calls(timeline: Timeline, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Ints:
    return intervals.from_columns(timeline.host.start_ns[rows], timeline.host.end_ns[rows])
