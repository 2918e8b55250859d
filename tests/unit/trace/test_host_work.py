"""What the host was doing at any time is the innermost of all that was open, whatever way it is cut."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.trace import host_work
from profiler.trace.host_places import HostPlaces
from profiler.trace.host_work import HostKind, HostPieces, HostWork, cut_by_work, cut_in_blocks
from profiler.trace.named_work import WorkByName
from profiler.trace.timeline import Ints
from tests.unit.trace.trace_events import frame, operation, timeline_of

NONE = np.empty(0, np.int64)
INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(0, 1)), max_size=12)
SPANS = st.lists(st.integers(0, 60), min_size=2, max_size=8, unique=True).map(
    lambda ends: np.array(sorted(ends)[: len(ends) // 2 * 2], np.int64).reshape(-1, 2)
)


def work_of(intervals: list[tuple[int, int, int]]) -> HostWork:
    """Operations of (begin, duration, thread), each with a name of its own."""
    begin, lasts, thread = np.array(intervals, np.int64).reshape(len(intervals), 3).T
    rows = np.arange(len(intervals))
    return HostWork(begin, begin + lasts, thread, rows, np.full_like(rows, HostKind.OPERATION), rows)


def by_owner(pieces: HostPieces) -> Counter[int]:
    found: Counter[int] = Counter()
    for owner, begin, end in zip(pieces.owner.tolist(), pieces.begin_ns.tolist(), pieces.end_ns.tolist(), strict=True):
        found[owner] += end - begin
    return found


def latest_open(intervals: list[tuple[int, int, int]], at: int, threads: tuple[int, ...]) -> tuple[int, int] | None:
    """Begin and end of what is open at an instant on these threads and began last; of these, the shortest."""
    is_open = [(b, -(b + d)) for b, d, thread in intervals if thread in threads and b <= at < b + d]
    return (max(is_open)[0], -max(is_open)[1]) if is_open else None


@given(INTERVALS, SPANS)
def test_each_instant_belongs_to_what_began_last_on_its_thread_else_on_another(
    intervals: list[tuple[int, int, int]], spans: Ints
) -> None:
    work = work_of(intervals)
    pieces = cut_by_work(work, spans, np.zeros(len(spans), np.int64), np.array([0, 1]), NONE)
    assert int((pieces.end_ns - pieces.begin_ns).sum()) == int((spans[:, 1] - spans[:, 0]).sum())
    assert (pieces.begin_ns[1:] >= pieces.end_ns[:-1]).all()
    for begin, end, owner in zip(pieces.begin_ns.tolist(), pieces.end_ns.tolist(), pieces.owner.tolist(), strict=True):
        for at in range(begin, end):
            expected = latest_open(intervals, at, (0,)) or latest_open(intervals, at, (0, 1))
            found = (int(work.start_ns[owner]), int(work.end_ns[owner])) if owner >= 0 else None
            assert found == expected


@pytest.mark.parametrize("block", [1, 2, 5])
@given(intervals=INTERVALS, spans=SPANS)
def test_it_is_the_same_a_stretch_of_time_after_the_other(
    block: int, intervals: list[tuple[int, int, int]], spans: Ints
) -> None:
    work, thread, others = work_of(intervals), np.zeros(len(spans), np.int64), np.array([0, 1])
    whole = by_owner(cut_by_work(work, spans, thread, others, NONE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_work, "_BLOCK_WORKS", block)
        blocks = [by_owner(pieces) for pieces in cut_in_blocks(work, spans, thread, others, NONE)]
    assert sum(blocks, Counter()) == Counter({owner: ns for owner, ns in whole.items() if ns})


def test_sums_by_name_add_up_over_stretches_and_keep_the_longest_piece() -> None:
    timeline = timeline_of(
        operation("aten::mm", 0, 10), operation("aten::mm", 20, 30), operation("aten::add", 60, 5), frame("a", 70, 9)
    )
    work = host_work.host_work(timeline)
    sums = WorkByName(work, HostPlaces(timeline, work))
    thread = np.zeros(2, np.int64)
    sums.add(np.array([0, 1]), np.array([0, 20_000]), np.array([10_000, 50_000]), thread)
    sums.add(np.array([1, -1]), np.array([50_000, 51_000]), np.array([50_500, 52_000]), thread)
    first, second = sums.sums()
    assert (first.label, first.ns, first.calls, first.at_ns, first.owner) == ("aten::mm", 40_500, 2, 20_000, 1)
    assert (second.label, second.ns, second.calls) == ("(nothing recorded)", 1_000, 1)
