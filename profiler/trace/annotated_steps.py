"""The steps that ranges mark: an engine's own, the profiler's, or the user's.

Launching is asynchronous, so the host's times of a range say little of the device. A step is what was launched within
its range, from the first start to the last end on the device.
"""

from __future__ import annotations

import numpy as np

from profiler.report.trace_phases import FoundBy
from profiler.trace.distinct import values
from profiler.trace.step_names import Rank, StepName, step_name
from profiler.trace.step_table import StepSort, StepTable, step_table
from profiler.trace.timeline import Ints, Timeline

# Ranges that an engine did not set are steps only where they launched most of what ran: others mark something within.
_MOST = 0.5


def annotated_steps(timeline: Timeline) -> StepTable | None:
    """The steps that ranges mark, or None where none do.

    Of several sorts of ranges, an engine's come first, then names that say prefill or decode, then numbered steps, then
    others that repeat. A range within another of its sort on its thread is no step of its own, and ranges that launched
    little of what ran mark something within steps.
    """
    names = {number: step_name(timeline.names[number]) for number in values(timeline.ranges.name).tolist()}
    for rank in Rank:
        meant = {number: name for number, name in names.items() if name is not None and name.rank is rank}
        rows = np.flatnonzero(np.isin(timeline.ranges.name, list(meant)))
        found = _steps(timeline, _outermost(timeline, rows), meant) if len(rows) else None
        if found is not None and (rank < Rank.OTHER or len(found) > 1):
            return found
    return None


def _outermost(timeline: Timeline, rows: Ints) -> Ints:
    """Those of the rows that begin after all before them on their thread have ended."""
    ranges, found = timeline.ranges, [np.empty(0, np.int64)]
    for thread in values(ranges.thread[rows]).tolist():
        mine = rows[ranges.thread[rows] == thread]
        ended = np.maximum.accumulate(ranges.end_ns[mine])[:-1]
        found.append(mine[np.append(True, ranges.start_ns[mine][1:] >= ended)])
    return np.sort(np.concatenate(found))


def _step_of(timeline: Timeline, rows: Ints, launched: Ints) -> Ints:
    """In which of the ranges `rows` each of the device's rows was launched, or -1; shape (launched,).

    A thread that has ranges of its own launches in these alone. One that has none, as autograd's, launches in the range
    that began last of the threads that mark what they launch, or of all where nobody does.
    """
    host, ranges = timeline.host, timeline.ranges
    issued, launcher = host.start_ns[timeline.device.call[launched]], host.thread[timeline.device.call[launched]]
    marking = values(ranges.thread[rows]).tolist()
    step = np.full(len(launched), -1)
    inside = {thread: _around(timeline, rows, thread, issued) for thread in marking}
    for thread in marking:
        step[launcher == thread] = inside[thread][launcher == thread]
    foreign = ~np.isin(launcher, marking)
    if foreign.any():
        themselves = values(ranges.thread[rows[step[step >= 0]]]).tolist()
        step[foreign] = np.max([inside[thread][foreign] for thread in themselves or marking], axis=0)
    return step


def _around(timeline: Timeline, rows: Ints, thread: int, instants: Ints) -> Ints:
    """Which of the ranges `rows` of a thread, none within another, is around each instant, or -1."""
    mine = np.flatnonzero(timeline.ranges.thread[rows] == thread)
    before = np.searchsorted(timeline.ranges.start_ns[rows[mine]], instants, side="right") - 1
    found = mine[before]
    return np.where((before >= 0) & (instants < timeline.ranges.end_ns[rows[found]]), found, -1)


def _steps(timeline: Timeline, rows: Ints, meant: dict[int, StepName]) -> StepTable | None:
    device, ranges = timeline.device, timeline.ranges
    launched = np.flatnonzero(device.call >= 0)
    step = _step_of(timeline, rows, launched)
    launched, step = launched[step >= 0], step[step >= 0]
    by_engine = any(name.rank is Rank.ENGINE for name in meant.values())
    lasts = device.end_ns - device.start_ns
    if not len(launched) or (not by_engine and lasts[launched].sum() < _MOST * lasts.sum()):
        return None
    first = np.full(len(rows), np.iinfo(np.int64).max)
    last = np.full(len(rows), np.iinfo(np.int64).min)
    np.minimum.at(first, step, device.start_ns[launched])
    np.maximum.at(last, step, device.end_ns[launched])
    worked = np.flatnonzero(last > first)
    first, last, rows = first[worked], last[worked], rows[worked]
    if not len(rows):
        return None
    sorts = list(dict.fromkeys(StepSort(name.name, name.kind) for name in meant.values()))
    sort_of = np.zeros(len(timeline.names), np.int64)
    for number, name in meant.items():
        sort_of[number] = sorts.index(StepSort(name.name, name.kind))
    took = np.maximum(last - first, ranges.end_ns[rows] - ranges.start_ns[rows])
    found_by = FoundBy.ENGINE if by_engine else FoundBy.ANNOTATION
    return step_table(found_by, first, last, took, sort_of[ranges.name[rows]], sorts)
