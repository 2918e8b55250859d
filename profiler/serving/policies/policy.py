"""What every policy offers: requests go in, the ledger is filled."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from profiler.serving.costs import Costs
from profiler.serving.ledger import Ledger, ReplicaLedger
from profiler.serving.log import RequestLog

FOREVER_NS = 1 << 62


@dataclass(frozen=True, slots=True)
class Limits:
    """What a replica may do at once. `kv_tokens` is what its KV cache holds, None for no limit.

    `batch_size`, `window_ns` and `padded` are those of static batching: a batch waits for its size at most so long
    after its first request came, and a padded one computes every prompt as if it were the longest.
    """

    slots: int = 256
    token_budget: int = 2048
    kv_tokens: int | None = None
    batch_size: int = 8
    window_ns: int = 0
    padded: bool = True


class Scheduler(Protocol):
    """One replica. Time only goes on: each `submit` is of a request that arrives no earlier than the one before it."""

    @property
    def slots(self) -> int:
        """How many requests it can hold at once."""

    def submit(self, request: int) -> None:
        """A request arrives, after `advance` has been told of that time."""

    def advance(self, until_ns: int) -> None:
        """Do all iterations that begin before that time."""


class Desk:
    """What a scheduler reads and writes: the log as plain lists, the costs, the ledger."""

    __slots__ = (
        "_ends",
        "_unfinished",
        "arrival",
        "costs",
        "ledger",
        "limits",
        "output",
        "priority",
        "prompt",
        "replica",
        "sums",
    )

    def __init__(self, log: RequestLog, costs: Costs, limits: Limits, ledger: Ledger, replica: int) -> None:
        self.arrival: list[int] = log.arrival_ns.tolist()
        self.prompt: list[int] = log.prompt_tokens.tolist()
        self.output: list[int] = log.output_tokens.tolist()
        self.priority: list[int] = log.priority.tolist()
        self.costs = costs
        self.limits = limits
        self.ledger = ledger
        self._begin(replica)

    def _begin(self, replica: int) -> None:
        self.replica = replica
        self.sums = ReplicaLedger()
        self._unfinished = 0
        self._ends: list[int] = []  # when requests end; some of them are still to do so

    def beside(self, replica: int) -> Desk:
        """The desk of another replica: the same requests and ledger, sums of its own."""
        other: Desk = object.__new__(Desk)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other._begin(replica)
        return other

    def came(self) -> None:
        """One more request is this replica's."""
        self._unfinished += 1

    def finished(self, request: int, at_ns: int) -> None:
        """It gets its last token then, which may be later than what the scheduler was told to advance to."""
        self.ledger.finish[request] = at_ns
        heappush(self._ends, at_ns)

    def unfinished(self, at_ns: int) -> int:
        """How many of those that came have not ended at that time, which does not go back."""
        ends = self._ends
        while ends and ends[0] <= at_ns:
            heappop(ends)
            self._unfinished -= 1
        return self._unfinished
