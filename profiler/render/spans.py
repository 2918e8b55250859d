"""Spans of time as pairs of Python's integers.

`trace.intervals` has more of it on columns, for whole traces. It needs numpy, which takes longer to load than a report
takes to be drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[int, int]
"""Begin and end in ns on one clock, half open."""


def union(spans: Iterable[Span]) -> list[Span]:
    """The same instants as sorted spans that are apart from each other."""
    apart: list[Span] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if apart and begin <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(apart[-1][1], end)
        else:
            apart.append((begin, end))
    return apart


def gaps(apart: Sequence[Span], begin: int, end: int) -> list[Span]:
    """What lies from `begin` to `end` and in none of these, which are a `union`."""
    stops = [begin, *(stop for _, stop in apart)]
    starts = [*(start for start, _ in apart), end]
    between = ((max(stop, begin), min(start, end)) for stop, start in zip(stops, starts, strict=True))
    return [gap for gap in between if gap[0] < gap[1]]
