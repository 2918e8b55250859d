"""Which parts of a time changed, so that their changes sum to that of the time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from profiler.compare.centre import Array, centre_ms, change_interval
from profiler.compare.result_times import OneTime, PartOfTime
from profiler.report.comparison import CauseChange

_ROUNDING = 0.01


def part_changes(
    before: Sequence[OneTime], after: Sequence[OneTime], confidence: float, in_turn: bool
) -> list[CauseChange]:
    """The parts by name; empty where a result has none. A part that a result lacks took no time there."""
    if not all(_sums(time) for time in (*before, *after)):
        return []
    found = {part.name: part for side in (after, before) for time in side for part in time.parts}
    names = list(found)
    older, newer = _compositions(before, names), _compositions(after, names)
    old, new = centre_ms(*older), centre_ms(*newer)
    low, high = _interval(before, after, names, new - old) if len(before) == len(after) == 1 else (None, None)
    if min(len(before), len(after)) > 1:
        low, high = change_interval(older, newer, confidence, in_turn)
    return sorted(
        (
            CauseChange(
                name=name,
                class_=found[name].class_,
                side=found[name].side,
                before_ms=float(old[i]),
                after_ms=float(new[i]),
                change_ms=float(new[i] - old[i]),
                low_ms=_known(low, i),
                high_ms=_known(high, i),
            )
            for i, name in enumerate(names)
        ),
        key=lambda part: -abs(part.change_ms),
    )


def _sums(time: OneTime) -> bool:
    """Whether its parts are those of this time: a report from elsewhere may hold anything."""
    return bool(time.parts) and abs(math.fsum(part.ms for part in time.parts) - time.ms) <= _ROUNDING * time.ms


def _compositions(side: Sequence[OneTime], names: Sequence[str]) -> tuple[Array, Array]:
    """What fraction of each result's time each part is, and the times."""
    rows = [{part.name: part.ms for part in time.parts} for time in side]
    ms = np.array([[row.get(name, 0.0) for name in names] for row in rows], float)
    return ms / ms.sum(axis=1, keepdims=True), np.array([time.ms for time in side])


def _interval(
    before: Sequence[OneTime], after: Sequence[OneTime], names: Sequence[str], changes: Array
) -> tuple[Array, Array]:
    """Of one result against one: their own parts' intervals together, not a number where either has none."""
    low, high = changes.copy(), changes.copy()
    sides = [{part.name: part for part in side[0].parts} for side in (before, after)]
    for i, name in enumerate(names):
        (older_down, older_up), (newer_down, newer_up) = (_reaches(side.get(name)) for side in sides)
        low[i] -= math.hypot(newer_down, older_up)
        high[i] += math.hypot(newer_up, older_down)
    return low, high


def _reaches(part: PartOfTime | None) -> tuple[float, float]:
    if part is None:
        return 0.0, 0.0
    if part.low_ms is None or part.high_ms is None:
        return math.nan, math.nan
    return part.ms - part.low_ms, part.high_ms - part.ms


def _known(values: Array | None, i: int) -> float | None:
    return None if values is None or not math.isfinite(values[i]) else float(values[i])
