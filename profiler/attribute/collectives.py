"""Who waits for whom in collectives: the last to arrive holds up the others.

Ranks of one process group run the same collectives in the same order, so the n-th of one is the n-th of the others. The
kernel of a collective starts when its rank arrives, and ends on all of them at once, when the last has come and the
data are through. That it ends at once lays the clocks of several machines over each other, and tells work that was
matched wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from profiler.report.collectives import CollectiveWait, CollectiveWaits, PairWait, RankWait
from profiler.trace.timeline import Activity, Ints, ProcessRank, Timeline

# ncclKernel_AllReduce_..., ncclDevKernel_ReduceScatter_..., AllReduceKernel: what stays the same on every rank.
_OPERATION = re.compile(r"(all_?reduce|all_?gather|reduce_?scatter|all_?to_?all|sendrecv|broadcast|reduce)", re.I)
# Ends of one collective were seen to lie within 8 us on the ranks of one machine, 1 to 10 ms of collective.
_TOGETHER_NS = 50_000
_TOGETHER_RATIO = 0.1
_MOST_PAIRS = 100
_MOST_WORST = 20


class GroupCalls(Struct, frozen=True):
    """The collectives of one rank in one process group, in their order: columns of shape (n,)."""

    operations: list[str]
    start_ns: Ints
    end_ns: Ints


class RankCollectives(Struct, frozen=True):
    """What tells which other ranks one belongs to: its collectives by their process group, or by their stream where the
    trace does not say it, which process of a job it is, and when, on its clock, what is looked at begins.
    """

    name: str
    groups: dict[str, GroupCalls]
    file: str = ""  # several devices of one file are ranks, too
    process: ProcessRank | None = None
    first_ns: int = 0


def rank_collectives(name: str, timeline: Timeline, file: str = "", zero_ns: int = 0) -> RankCollectives:
    """The collectives of a trace. A process runs those of each group on a stream of its own."""
    device = timeline.device
    rows = np.flatnonzero(device.kind == Activity.COLLECTIVE)
    streams = list(dict.fromkeys(device.stream[rows].tolist()))
    found: dict[str, list[int]] = {}
    for row in rows.tolist():
        group = int(device.group[row])
        label = timeline.names[group] if group >= 0 else f"stream {streams.index(int(device.stream[row]))}"
        found.setdefault(label, []).append(row)
    groups = {
        label: GroupCalls(
            [_operation(timeline.names[index]) for index in device.name[mine].tolist()],
            device.start_ns[mine],
            device.end_ns[mine],
        )
        for label, mine in found.items()
    }
    return RankCollectives(name, groups, file or name, timeline.process, zero_ns)


def collective_waits(ranks: Sequence[RankCollectives]) -> CollectiveWaits | None:
    """Who waited for whom; None where no two ranks ran collectives."""
    meetings = list(_meetings(ranks))
    if not meetings:
        return None
    matched = [each for each in meetings if isinstance(each, _Meeting)]
    names = [rank.name for rank in ranks]
    pair_ns, pair_count = np.zeros((2, len(ranks), len(ranks)), np.int64)  # of who waits, for whom
    met, last = np.zeros((2, len(ranks)), np.int64)
    worst: list[CollectiveWait] = []
    for meeting in matched:
        met[meeting.ranks] += len(meeting.operations)
        for number, late in enumerate(meeting.arrival_ns.argmax(axis=0).tolist()):
            wait_ns = meeting.wait_ns[:, number]
            culprit, longest = meeting.ranks[late], int(wait_ns.argmax())
            if int(wait_ns[longest]) <= meeting.apart_ns:
                continue  # as far as the clocks tell, all came at once
            last[culprit] += 1
            pair_ns[meeting.ranks, culprit] += wait_ns
            pair_count[meeting.ranks, culprit] += wait_ns > 0
            worst.append(
                CollectiveWait(
                    group=meeting.group,
                    number=number,
                    operation=meeting.operations[number],
                    last=names[culprit],
                    first=names[meeting.ranks[longest]],
                    waited_ns=int(wait_ns.sum()),
                    longest_ns=int(wait_ns[longest]),
                )
            )
    waiting, awaited = np.nonzero(pair_ns)
    most = np.argsort(-pair_ns[waiting, awaited], kind="stable")[:_MOST_PAIRS]
    return CollectiveWaits(
        matched=int(met.sum()),
        of=sum(len(calls.start_ns) for rank in ranks for calls in rank.groups.values()),
        waited_ns=int(pair_ns.sum()),
        clock_spread_ns=max((int(np.ptp(meeting.offset_ns)) for meeting in matched), default=0),
        ranks=[
            RankWait(
                name=name,
                collectives=int(met[number]),
                waited_ns=int(pair_ns[number].sum()),
                last=int(last[number]),
                held_up_ns=int(pair_ns[:, number].sum()),
            )
            for number, name in enumerate(names)
        ],
        pairs=[
            PairWait(
                waiting=names[who], last=names[whom], collectives=int(pair_count[who, whom]), ns=int(pair_ns[who, whom])
            )
            for who, whom in zip(waiting[most].tolist(), awaited[most].tolist(), strict=True)
        ],
        worst=sorted(worst, key=lambda wait: -wait.waited_ns)[:_MOST_WORST],
        notes=[each for each in meetings if isinstance(each, str)],
    )


class _Meeting(Struct, frozen=True):
    """The collectives of one process group: `arrival_ns` and `wait_ns` have shape (ranks, collectives)."""

    group: str
    ranks: list[int]
    operations: list[str]
    offset_ns: Ints  # of each rank's clock
    apart_ns: float  # where all clocks are laid over each other, ends are still so far apart
    arrival_ns: Ints
    wait_ns: Ints


def _meetings(ranks: Sequence[RankCollectives]) -> Iterator[_Meeting | str]:
    """The collectives of each group that several ranks have, or why they cannot be matched."""
    for group in dict.fromkeys(label for rank in ranks for label in rank.groups):
        members = [(number, rank.groups[group]) for number, rank in enumerate(ranks) if group in rank.groups]
        if len(members) < 2:
            continue
        operations = members[0][1].operations
        if any(calls.operations != operations for _, calls in members):
            counts = [len(calls.operations) for _, calls in members]
            yield (
                f"collectives of {group} cannot be matched: the traces hold {min(counts)} to {max(counts)} of them, or "
                "not the same ones"
            )
            continue
        start, end = (
            np.array([getattr(calls, name) for _, calls in members], np.int64) for name in ("start_ns", "end_ns")
        )
        off = end - end.min(axis=0)
        offset = np.median(off, axis=1).astype(np.int64)
        apart = float(np.median(np.ptp(off - offset[:, None], axis=0)))
        if apart > max(_TOGETHER_NS, _TOGETHER_RATIO * float(np.median(end - start))):
            yield (
                f"collectives of {group} cannot be matched: they end {apart / 1e3:,.0f} us apart, as those of several "
                "groups would"
            )
            continue
        arrival = start - offset[:, None]
        # Nobody waits for longer than the own kernel lasts.
        wait = np.minimum(arrival.max(axis=0) - arrival, end - start)
        yield _Meeting(group, [number for number, _ in members], operations, offset, apart, arrival, wait)


def _operation(kernel: str) -> str:
    found = _OPERATION.search(kernel)
    return found[1].lower().replace("_", "") if found else kernel
