"""What happened to each request, in columns of integer nanoseconds, written by the policies."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEVER = -1


@dataclass(frozen=True, slots=True)
class Stay:
    """A slot held by a request that was preempted at the end of it."""

    request: int
    replica: int
    slot: int
    begin_ns: int
    end_ns: int


class Ledger:
    """One row a request. Times that did not come are `NEVER`.

    A request is queued until `start`, prefills until `prefilled`, decodes until `finish`; it holds `slot` of `replica`
    from `seated` to `released`, and held others before (`stays`) where it was preempted. `preempted` is how long it
    was out, until what it lost was computed again.
    """

    def __init__(self, requests: int) -> None:
        self.start = _column(requests)
        self.prefilled = _column(requests)
        self.first_token = _column(requests)
        self.finish = _column(requests)
        self.seated = _column(requests)
        self.released = _column(requests)
        self.slot = _column(requests)
        self.replica = _column(requests)
        self.preempted = array("q", bytes(8 * requests))
        self.stays: list[Stay] = []
        self.slots = 0  # of each replica
        self.replicas: list[ReplicaLedger] = []

    def column(self, name: str) -> NDArray[np.int64]:
        """A column as an array, without a copy."""
        return np.frombuffer(getattr(self, name), np.int64)


class ReplicaLedger:
    """What one replica did: its iterations, as far as sums and token gaps need them.

    Gaps between tokens come as runs: `gap_ns[i]` is the mean of `gap_tokens[i]` of them. Memory holds back the head of
    the queue in `[memory_begin[i], memory_end[i])`.
    """

    def __init__(self) -> None:
        self.busy_ns = 0
        self.decode_ns = 0
        self.iterations = 0
        self.decode_steps = 0
        self.slot_steps = 0
        self.hole_steps = 0
        self.preemptions = 0
        self.preempted_prefill_ns = 0  # of `preempted`, what came before the prompt was done
        self.peak_kv_tokens = 0
        self.gap_ns = array("q")
        self.gap_tokens = array("q")
        self.memory_begin = array("q")
        self.memory_end = array("q")


def _column(requests: int) -> array[int]:
    return array("q", [NEVER]) * requests
