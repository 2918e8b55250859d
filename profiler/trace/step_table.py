"""The steps that a trace shows, on the device's clock."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from profiler.report.trace_phases import FoundBy, PhaseKind
from profiler.trace.timeline import Ints

# Of the usual pause between steps. Where most wait that long for the next one, as for input, it is part of them.
_LONGEST_PAUSE = 2.0


class StepSort(Struct, frozen=True):
    """What steps of one name, or of the same kernels, have in common."""

    name: str
    kind: PhaseKind


class StepTable(Struct, frozen=True):
    """Steps in the order of time; all columns have shape (n,). They do not overlap.

    A step reaches from its first activity on the device to the next step's, which is what a user waits for; one that
    is not `followed` at once ends with its own last activity.
    """

    found_by: FoundBy
    start_ns: Ints
    end_ns: Ints
    followed: NDArray[np.bool_]
    sort: Ints  # index into `sorts`
    sorts: list[StepSort]
    first: int = 0  # the number of the first of them in the trace

    def __len__(self) -> int:
        return len(self.start_ns)

    def within(self, start_ns: int, end_ns: int) -> StepTable:
        """Only the steps that lie in [start, end) as a whole; they keep their numbers."""
        rows = slice(
            int(np.searchsorted(self.start_ns, start_ns)), int(np.searchsorted(self.end_ns, end_ns, side="right"))
        )
        columns = {name: getattr(self, name)[rows] for name in ("start_ns", "end_ns", "followed", "sort")}
        return replace(self, **columns, first=self.first + rows.start)

    def step_of(self, instants: Ints) -> Ints:
        """The step that each instant lies in, or -1; shape as given."""
        row = np.searchsorted(self.start_ns, instants, side="right") - 1
        return np.where((row >= 0) & (instants < np.append(self.end_ns, 0)[row]), row, -1)


def step_table(
    found_by: FoundBy, first_ns: Ints, last_ns: Ints, took_ns: Ints, sort: Ints, sorts: list[StepSort]
) -> StepTable:
    """Steps by the first start and the last end of their own work, in any order.

    `took_ns` is how long each took on host or device, whichever was longer. After a pause that is longer than that, and
    longer than is usual here, the next step does not follow.
    """
    order = np.argsort(first_ns, kind="stable")
    first, last, took = first_ns[order], last_ns[order], took_ns[order]
    pause = np.append(first[1:] - last[:-1], np.iinfo(np.int64).max)
    usual = int(np.sort(pause[:-1])[(len(pause) - 2) // 2]) if len(pause) > 2 else 0
    followed = pause <= np.maximum(took, _LONGEST_PAUSE * usual)
    end = np.where(followed, np.append(first[1:], 0), last)
    lasting = end > first
    return StepTable(found_by, first[lasting], end[lasting], followed[lasting], sort[order][lasting], sorts)
