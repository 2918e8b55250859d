"""Whose each nanosecond is that the device waited for the host: the innermost work on the thread that launched late."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from profiler.report.analysis import PartName
from profiler.trace import intervals
from profiler.trace.host_work import HostWork, cut_by_work, launching_threads
from profiler.trace.idle import LateLaunches
from profiler.trace.timeline import Ints, Timeline

# In this order the causes of `IdlePieces.cause` are numbered.
CAUSES = (
    PartName.IDLE_HOST,
    PartName.IDLE_SYNC,
    PartName.IDLE_INPUT,
    PartName.IDLE_STAGING,
    PartName.IDLE_NOTHING_ASKED,
)


class IdlePieces(Struct, frozen=True):
    """Idle time that the host is to blame for, shape (n,) each: sorted, disjoint, and in all what it is to blame for.

    `owner` is a row of the trace's `HostWork`, or -1; `cause` an index into `CAUSES`.
    """

    begin_ns: Ints
    end_ns: Ints
    thread: Ints
    owner: Ints
    cause: Ints


def idle_pieces(timeline: Timeline, work: HostWork, late: Sequence[LateLaunches]) -> IdlePieces:
    """The pieces of the gaps that the host's threads ended late."""
    others = launching_threads(timeline)
    pieces = [_of_thread(work, others, each) for each in late]
    columns = np.concatenate([np.empty((5, 0), np.int64), *pieces], axis=1)
    return IdlePieces(*columns[:, np.argsort(columns[0], kind="stable")])


def _of_thread(work: HostWork, others: Ints, late: LateLaunches) -> Ints:
    spans = intervals.from_columns(late.begin_ns, late.issued_ns)
    cuts = np.concatenate([late.resumed_ns, *(span.reshape(-1) for span in late.spans.values())])
    found = cut_by_work(work, spans, np.full(len(spans), late.thread), others, cuts)
    cause = np.zeros(len(found.begin_ns), np.int64)
    for name, stretches in late.spans.items():
        covered = intervals.covered_before(stretches, found.begin_ns + 1)
        cause[covered > intervals.covered_before(stretches, found.begin_ns)] = CAUSES.index(name)
    cause[found.begin_ns < late.resumed_ns[found.span]] = CAUSES.index(PartName.IDLE_SYNC)
    return np.stack([found.begin_ns, found.end_ns, np.full_like(cause, late.thread), found.owner, cause])
