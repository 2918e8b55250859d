"""Who waits for whom where the ranks of a job meet. docs/report.md has every field."""

from __future__ import annotations

from msgspec import Struct


class CollectiveWait(Struct, frozen=True, kw_only=True):
    """One collective: the others waited for the `last` to arrive, together `waited_ns`, the `first` the longest."""

    group: str
    number: int
    operation: str
    last: str
    first: str
    waited_ns: int
    longest_ns: int


class RankWait(Struct, frozen=True, kw_only=True):
    """One rank: what it waited for others, and what others waited for it when it was the last."""

    name: str
    collectives: int
    waited_ns: int
    last: int
    held_up_ns: int


class PairWait(Struct, frozen=True, kw_only=True):
    """What one rank waited for another one, which was the last of `collectives`."""

    waiting: str
    last: str
    collectives: int
    ns: int


class CollectiveWaits(Struct, frozen=True, kw_only=True):
    """The collectives that could be matched between ranks, `matched` calls of `of`, and why not all."""

    matched: int
    of: int
    waited_ns: int
    clock_spread_ns: int
    ranks: list[RankWait]
    pairs: list[PairWait]
    worst: list[CollectiveWait]
    notes: list[str]
