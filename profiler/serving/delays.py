"""What each request waited for: memory, holes in the batch, longer requests ahead, or just its turn.

At an instant at which a request waits, its replica's slots are held by others. The instant is divided evenly among the
slots that are held: a slot whose request has ended but is not free is a hole; one whose request is longer than the
waiting one (by what both would take alone) is head-of-line blocking. Instants at which only the KV memory kept the head
of the queue out are memory's as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiler.serving.ledger import Ledger, ReplicaLedger
from profiler.serving.log import RequestLog

Floats = NDArray[np.float64]
Columns = NDArray[np.int64]
# Lengths are told apart exactly where there are no more than these, else by as many classes of equal size.
_MOST_LENGTHS = 32


@dataclass(frozen=True, slots=True)
class Delays:
    """For each request, of its time in the queue, in ns.

    `head_of_line` is the time behind longer requests; `avoidable` is as much of it as shortest-first would save: behind
    a request k times as long, 1 - 1/k, since that one would have to wait in turn. Under serial service of requests that
    come together, `avoidable` sums to exactly what shortest-first saves.
    """

    memory: Columns
    holes: Floats
    head_of_line: Floats
    avoidable: Floats


def delays(log: RequestLog, ledger: Ledger, alone_ns: Floats) -> Delays:
    """Of every request, with what each would take alone."""
    found = Delays(np.zeros(len(log), np.int64), *(np.zeros(len(log)) for _ in range(3)))
    ranks = _ranks(alone_ns)
    replica = ledger.column("replica")
    for number, sums in enumerate(ledger.replicas):
        here = np.flatnonzero(replica == number)
        if len(here):
            _delays_of_replica(found, _Replica(log, ledger, sums, number, here), alone_ns, ranks)
    return found


class _Replica:
    """The requests of one replica, and the measure in which its time is divided among the slots that are held."""

    def __init__(self, log: RequestLog, ledger: Ledger, sums: ReplicaLedger, number: int, here: Columns) -> None:
        self.here = here
        self.arrival, self.start = log.arrival_ns[here], ledger.column("start")[here]
        self.seated, self.finish = ledger.column("seated")[here], ledger.column("finish")[here]
        self.released = ledger.column("released")[here]
        stays = [stay for stay in ledger.stays if stay.replica == number]
        self.stay_request = np.array([stay.request for stay in stays], np.int64)
        self.stay_begin = np.array([stay.begin_ns for stay in stays], np.int64)
        self.stay_end = np.array([stay.end_ns for stay in stays], np.int64)
        begins, ends = (np.frombuffer(side, np.int64) for side in (sums.memory_begin, sums.memory_end))
        self._memory_times = np.column_stack([begins, ends]).ravel()
        self._memory_total = np.concatenate([[0], np.cumsum(ends - begins)])
        self._build_measure()

    def memory_until(self, times: Columns) -> Columns:
        """How long the memory alone had held the queue back by then."""
        place = np.searchsorted(self._memory_times, times, side="right")
        total: Columns = self._memory_total[place // 2].copy()
        within = place % 2 == 1
        total[within] += times[within] - self._memory_times[place[within] - 1]
        return total

    def measure(self, times: Columns) -> Floats:
        """The integral of 1 over the number of slots held, without what is the memory's."""
        found: Floats = np.interp(times, self._times, self._measure)
        return found

    def _build_measure(self) -> None:
        ups, downs = np.concatenate([self.seated, self.stay_begin]), np.concatenate([self.released, self.stay_end])
        blocks = self._memory_times
        times = np.concatenate([ups, downs, blocks])
        held = np.concatenate([np.ones(len(ups)), -np.ones(len(downs)), np.zeros(len(blocks))])
        blocked = np.concatenate([np.zeros(len(ups) + len(downs)), np.tile([1.0, -1.0], len(blocks) // 2)])
        order = np.argsort(times, kind="stable")
        times = times[order]
        free = np.cumsum(blocked[order]) == 0
        count = np.cumsum(held[order])
        weight = np.where(free & (count > 0), 1 / np.maximum(count, 1), 0.0)
        self._times = times
        self._measure = np.concatenate([[0.0], np.cumsum(np.diff(times) * weight[:-1])])


def _delays_of_replica(found: Delays, replica: _Replica, alone_ns: Floats, ranks: Columns) -> None:
    here = replica.here
    found.memory[here] = replica.memory_until(replica.start) - replica.memory_until(replica.arrival)
    waits = replica.start > replica.arrival
    if not waits.any():
        return
    begin, end = replica.arrival[waits], replica.start[waits]
    held = replica.released > replica.finish
    if held.any():
        hole = _Overlap(replica, replica.finish[held], replica.released[held])
        found.holes[here[waits]] = hole.between(begin, end, np.ones(hole.size))
    running = _Overlap(
        replica,
        np.concatenate([replica.seated, replica.stay_begin]),
        np.concatenate([replica.finish, replica.stay_end]),
    )
    runner = np.concatenate([here, replica.stay_request])
    waiting_rank, own = ranks[here[waits]], alone_ns[here[waits]]
    places = here[waits]
    for rank in np.unique(waiting_rank):
        longer = (ranks[runner] > rank).astype(np.float64)
        if not longer.any():
            continue
        mine = waiting_rank == rank
        behind = running.between(begin[mine], end[mine], longer)
        beneath = running.between(begin[mine], end[mine], longer / np.maximum(alone_ns[runner], 1.0))
        found.head_of_line[places[mine]] = behind
        found.avoidable[places[mine]] = np.clip(behind - own[mine] * beneath, 0.0, behind)


class _Overlap:
    """Intervals, and how much of them lies within others, in the measure of a replica."""

    def __init__(self, replica: _Replica, begins: Columns, ends: Columns) -> None:
        self.size = len(begins)
        times = np.concatenate([begins, ends])
        self._order = np.argsort(times, kind="stable")
        self._replica = replica
        self._at = replica.measure(times[self._order])

    def between(self, begin: Columns, end: Columns, weights: Floats) -> Floats:
        """For each pair of times, the weighted sum of the measure of all intervals between them."""
        signed = np.concatenate([weights, -weights])[self._order]
        height = np.cumsum(signed)
        area = np.concatenate([[0.0], np.cumsum(np.diff(self._at) * height[:-1])])
        low, high = (np.interp(self._replica.measure(side), self._at, area) for side in (begin, end))
        found: Floats = high - low
        return found


def _ranks(alone_ns: Floats) -> Columns:
    lengths = np.unique(alone_ns)
    if len(lengths) > _MOST_LENGTHS:
        lengths = np.quantile(alone_ns, np.linspace(0, 1, _MOST_LENGTHS + 1)[1:-1])
    return np.searchsorted(lengths, alone_ns, side="right")
