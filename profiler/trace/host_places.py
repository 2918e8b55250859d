"""Where in a program a piece of host work was: what it is called, and what was open around it."""

from __future__ import annotations

import numpy as np

from profiler.trace.host_work import HostKind, HostWork
from profiler.trace.python_frames import frame_name, stack_names
from profiler.trace.timeline import Ranges, Timeline

BETWEEN_OPERATIONS = "Python between operations"
NOTHING_RECORDED = "(nothing recorded)"
# A stack may be hundreds deep, and who looks for a cause begins at its inner end.
_MOST_FRAMES = 16
_MOST_WITHIN = 8


class HostPlaces:
    """Names and surroundings of a trace's host work."""

    def __init__(self, timeline: Timeline, work: HostWork) -> None:
        self._timeline = timeline
        self._work = work
        # Where Python's functions are there, what is not in one of them is no Python.
        self._free = NOTHING_RECORDED if len(timeline.frames) else BETWEEN_OPERATIONS

    def label(self, kind: int, name: int) -> str:
        """What work of this kind and name (an index) is called, alike for all its calls."""
        text = self._timeline.names[name]
        return frame_name(text) if kind == HostKind.PYTHON else text

    def free_label(self, silent: bool) -> str:
        """What the time between all that was recorded is called; `silent` where no thread did anything for long."""
        return NOTHING_RECORDED if silent else self._free

    def around(self, at_ns: int, thread: int, owner: int = -1) -> tuple[list[str], list[str]]:
        """Operations and Python functions that are open on a thread, without `owner`; the innermost first."""
        work, ranges = self._work, self._timeline.ranges
        found: list[
            tuple[int, int, str, bool]
        ] = []  # start, and what orders equal ones; the name, whether it is Python's
        stack = ""
        for row in _open_at(work, at_ns, thread):
            kind = int(work.kind[row])
            if kind == HostKind.OPERATION:  # the last is the innermost
                stack = self._timeline.stacks[int(self._timeline.operations.stack[work.row[row]])] or stack
            if row != owner and kind != HostKind.RANGE:
                label = self.label(kind, int(work.name[row]))
                found.append((int(work.start_ns[row]), -int(work.end_ns[row]), label, kind == HostKind.PYTHON))
        for row in _open_at(ranges, at_ns, thread):
            if owner < 0 or work.kind[owner] != HostKind.RANGE or work.row[owner] != row:
                label = self._timeline.name_of(ranges.name, row)
                found.append((int(ranges.start_ns[row]), -int(ranges.end_ns[row]), label, False))
        found.sort(reverse=True)
        within = [label for *_, label, is_python in found if not is_python]
        frames = [label for *_, label, is_python in found if is_python] or stack_names(stack)
        return within[:_MOST_WITHIN], frames[:_MOST_FRAMES]


def _open_at(table: HostWork | Ranges, at_ns: int, thread: int) -> list[int]:
    return np.flatnonzero((table.start_ns <= at_ns) & (table.end_ns > at_ns) & (table.thread == thread)).tolist()
