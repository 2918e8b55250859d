"""The steps that ranges mark: an engine's own, the profiler's, or the user's.

Launching is asynchronous, so the host's times of a range say little of the device. A step is what was launched within
its range, from the first start to the last end on the device.
"""

from __future__ import annotations

import numpy as np

from profiler.report.trace_phases import FoundBy
from profiler.trace import intervals
from profiler.trace.records import Remembered
from profiler.trace.step_names import Rank, StepName, step_name
from profiler.trace.step_table import StepSort, StepTable, step_table
from profiler.trace.timeline import Ints, Timeline

# Ranges that were given no meaning are only taken for steps where they launched most of what ran.
_MOST = 0.5


def annotated_steps(timeline: Timeline) -> StepTable | None:
    """The steps that ranges mark, or None where none do.

    Of several sorts of ranges, an engine's come first, then names that say prefill or decode, then numbered steps, then
    others that repeat. A range within another of its sort is no step of its own.
    """
    ranges = timeline.ranges
    remembered = Remembered[int, StepName | None](lambda number: step_name(timeline.names[number]))
    said = [remembered[number] for number in ranges.name.tolist()]
    for rank in Rank:
        rows = np.array([row for row, name in enumerate(said) if name is not None and name.rank is rank], np.int64)
        found = _steps(timeline, _outermost(timeline, rows), said) if len(rows) else None
        if found is not None and (rank < Rank.OTHER or (len(found) > 1 and _covers_most(timeline, found))):
            return found
    return None


def _outermost(timeline: Timeline, rows: Ints) -> Ints:
    """Those of the rows that begin after all before them have ended."""
    start, end = timeline.ranges.start_ns[rows], timeline.ranges.end_ns[rows]
    reached = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(end)[:-1]])
    outermost: Ints = rows[start >= reached]
    return outermost


def _steps(timeline: Timeline, rows: Ints, said: list[StepName | None]) -> StepTable | None:
    device, host, ranges = timeline.device, timeline.host, timeline.ranges
    launched = np.flatnonzero(device.call >= 0)
    issued = host.start_ns[device.call[launched]]
    step = np.searchsorted(ranges.start_ns[rows], issued, side="right") - 1
    within = (step >= 0) & (issued < ranges.end_ns[rows][step])
    launched, step = launched[within], step[within]
    if not len(launched):
        return None
    first = np.full(len(rows), np.iinfo(np.int64).max)
    last = np.full(len(rows), np.iinfo(np.int64).min)
    np.minimum.at(first, step, device.start_ns[launched])
    np.maximum.at(last, step, device.end_ns[launched])
    worked = np.flatnonzero(last > first)
    first, last, rows = first[worked], last[worked], rows[worked]
    if not len(rows):
        return None
    sorts: list[StepSort] = []
    sort = []
    rank = Rank.OTHER
    for row in rows.tolist():
        name = said[row]
        assert name is not None
        rank, kind = name.rank, StepSort(name.name, name.kind)
        if kind not in sorts:
            sorts.append(kind)
        sort.append(sorts.index(kind))
    took = np.maximum(last - first, ranges.end_ns[rows] - ranges.start_ns[rows])
    found_by = FoundBy.ENGINE if rank is Rank.ENGINE else FoundBy.ANNOTATION
    return step_table(found_by, first, last, took, np.array(sort, np.int64), sorts)


def _covers_most(timeline: Timeline, steps: StepTable) -> bool:
    busy = intervals.merge(intervals.from_columns(timeline.device.start_ns, timeline.device.end_ns))
    inside = intervals.covered_before(busy, steps.end_ns) - intervals.covered_before(busy, steps.start_ns)
    return int(inside.sum()) >= _MOST * intervals.total(busy)
