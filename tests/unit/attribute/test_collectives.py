"""The last to arrive at a collective holds up the others: on eight real ranks, and where it was planted."""

from __future__ import annotations

import tarfile
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.attribute.collectives import GroupCalls, RankCollectives, collective_waits, rank_collectives
from profiler.report.collectives import CollectiveWaits
from profiler.trace.kineto import read_kineto
from tests.unit.trace.trace_events import PUBLIC_TRACES, event, kernel, timeline_of


def waits_of(ranks: list[RankCollectives]) -> CollectiveWaits:
    found = collective_waits(ranks)
    assert found is not None
    return found


def rank(name: str, *calls: tuple[int, int], group: str = "world", operation: str = "allreduce") -> RankCollectives:
    """A rank with collectives from start to end, in ms."""
    start, end = np.array(calls, np.int64).reshape(-1, 2).T.copy() * 1_000_000
    return RankCollectives(name, {group: GroupCalls([operation] * len(calls), start, end)})


@cache
def eight_ranks() -> CollectiveWaits:
    path = PUBLIC_TRACES / "v100x8_dlrm.tar.gz"
    if not path.exists():
        pytest.skip("the public trace v100x8_dlrm is not on this machine; it is not part of the repository")
    ranks = []
    with tarfile.open(path) as archive:
        for member in sorted(archive.getnames()):
            file = archive.extractfile(member) if member.endswith(".json") else None
            if file is not None:
                name = member.rpartition("/")[2].partition("_")[0]
                ranks.append(rank_collectives(name, read_kineto(file.read())))
    return waits_of(ranks)


def test_of_eight_real_ranks_worker_7_comes_last_and_worker_1_waits_the_longest() -> None:
    # By hand: at the first all-to-all worker 1 arrives at 0 us, worker 7 at 7,624 us, and all leave at 7,634 us.
    waits = eight_ranks()
    assert (waits.matched, waits.of, waits.notes) == (64, 64, [])
    worst = waits.worst[0]
    assert (worst.operation, worst.number, worst.last, worst.first) == ("sendrecv", 0, "worker7", "worker1")
    assert worst.longest_ns == pytest.approx(7_624_000, abs=3_000)
    assert (waits.pairs[0].waiting, waits.pairs[0].last) == ("worker1", "worker7")
    by_name = {each.name: each for each in waits.ranks}
    assert [by_name[f"worker{number}"].last for number in range(8)] == [0, 0, 0, 0, 1, 2, 0, 5]


def test_of_eight_real_ranks_what_is_waited_and_what_is_caused_are_the_same() -> None:
    waits = eight_ranks()
    assert sum(each.waited_ns for each in waits.ranks) == waits.waited_ns
    assert sum(each.held_up_ns for each in waits.ranks) == waits.waited_ns
    assert sum(pair.ns for pair in waits.pairs) == waits.waited_ns
    assert sum(each.waited_ns for each in waits.worst) == waits.waited_ns


def test_clocks_of_several_machines_are_laid_over_each_other() -> None:
    ranks = [rank("a", (0, 10), (20, 30)), rank("b", (5004, 5010), (5020, 5030))]
    waits = waits_of(ranks)
    assert [(pair.waiting, pair.last, pair.ns) for pair in waits.pairs] == [("a", "b", 4_000_000)]
    assert waits.clock_spread_ns == 5_000_000_000


def test_nobody_waits_for_longer_than_the_own_kernel_lasts() -> None:
    # a's second one ends at once, whatever b does later: as that of a broadcast's root.
    ranks = [rank("a", (0, 10), (20, 21), (40, 50)), rank("b", (0, 10), (28, 30), (40, 50))]
    assert {pair.ns for pair in waits_of(ranks).pairs} == {1_000_000}


def test_groups_of_other_ranks_are_no_one_group() -> None:
    first = [rank("a", (0, 10), group="tp [0, 1]"), rank("b", (8, 10), group="tp [0, 1]")]
    second = [rank("c", (100, 103), group="tp [2, 3]"), rank("d", (101, 103), group="tp [2, 3]")]
    waits = waits_of([*first, *second])
    assert {(pair.waiting, pair.last, pair.ns) for pair in waits.pairs} == {
        ("a", "b", 8_000_000),
        ("c", "d", 1_000_000),
    }


def test_other_numbers_of_collectives_are_not_matched_and_it_is_said() -> None:
    waits = waits_of([rank("a", (0, 10), (20, 30)), rank("b", (0, 10))])
    assert (waits.matched, waits.of) == (0, 3)
    assert waits.notes == [
        "collectives of world cannot be matched: the traces hold 1 to 2 of them, or not the same ones"
    ]


def test_other_kinds_of_collectives_are_not_matched() -> None:
    assert not waits_of([rank("a", (0, 10)), rank("b", (0, 10), operation="broadcast")]).matched


def test_collectives_that_do_not_end_together_are_of_several_groups() -> None:
    apart = [rank("a", (0, 10), (20, 30), (40, 50)), rank("b", (3, 14), (29, 39), (41, 70))]
    waits = waits_of(apart)
    assert not waits.matched
    assert "us apart" in waits.notes[0]


def test_ranks_that_do_not_meet_have_nothing_to_wait_for() -> None:
    assert collective_waits([rank("a", (0, 10), group="x"), rank("b", (0, 10), group="y")]) is None
    assert collective_waits([]) is None


def test_the_process_group_is_read_where_the_trace_has_it() -> None:
    def collective(start: float, stream: int, **arguments: object) -> dict[str, object]:
        return event("kernel", "ncclDevKernel_AllReduce_Sum_f32", start, 5, stream=stream, device=0, **arguments)

    named = {"Process Group Name": "mesh_tp", "Process Group Ranks": "[0, 1]"}
    other = {"Process Group Name": "mesh_tp", "Process Group Ranks": "[2, 3]"}
    found = rank_collectives("a", timeline_of(collective(0, 9, **named), collective(9, 9, **other), kernel(20, 3)))
    assert list(found.groups) == ["mesh_tp [0, 1]", "mesh_tp [2, 3]"]
    assert found.groups["mesh_tp [0, 1]"].operations == ["allreduce"]
    unnamed = rank_collectives("a", timeline_of(collective(0, 20), collective(9, 30), collective(18, 20)))
    assert {label: len(calls.operations) for label, calls in unnamed.groups.items()} == {"stream 0": 2, "stream 1": 1}


ARRIVALS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6)


@given(ARRIVALS, st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_waits_are_those_for_the_last_whatever_the_clocks_say(
    arrivals: list[tuple[int, int, int]], second_ms: int, third_ms: int
) -> None:
    def calls(number: int, offset: int) -> list[tuple[int, int]]:
        return [(20 * n + all_of[number] + offset, 20 * n + 10 + offset) for n, all_of in enumerate(arrivals)]

    waits = waits_of([rank("a", *calls(0, 0)), rank("b", *calls(1, second_ms)), rank("c", *calls(2, third_ms))])
    expected = [sum(max(all_of) - all_of[number] for all_of in arrivals) * 1_000_000 for number in range(3)]
    assert [each.waited_ns for each in waits.ranks] == expected
    assert sum(each.held_up_ns for each in waits.ranks) == sum(expected)
    assert sum(each.last for each in waits.ranks) == sum(len(set(each)) > 1 for each in arrivals)


def test_nobody_is_last_where_all_arrive_at_once() -> None:
    calls = [(at, at + 50) for at in range(0, 700, 100)]
    found = waits_of([rank("a", *calls), rank("b", *calls)])
    assert [each.last for each in found.ranks] == [0, 0]
    assert found.worst == []


def test_who_comes_later_by_no_more_than_the_clocks_agree_is_not_said_to_be_last() -> None:
    starts = range(0, 700, 100)
    ragged = [(at, at + 50 + late) for at, late in zip(starts, (0, 1, 2, 0, 1, 2, 1), strict=True)]
    found = waits_of([rank("a", *ragged), rank("b", *((at, at + 50) for at in starts))])
    assert [each.last for each in found.ranks] == [0, 0]
