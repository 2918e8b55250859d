"""Which parts of a time changed, so that their changes sum to that of the time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from profiler.compare.change import spread
from profiler.compare.named_parts import Array, leading_part, sure_parts
from profiler.compare.result_times import OneTime, PartOfTime
from profiler.report.comparison import CauseChange, Leading

_ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class PartChanges:
    """The parts of a time, those that changed most first.

    `sure` are the names of those that surely changed, `leading` is the one that most likely changed most in the way of
    the whole; None where nothing tells.
    """

    parts: list[CauseChange] = field(default_factory=list)
    sure: frozenset[str] = frozenset()
    leading: Leading | None = None


def part_changes(
    before: Sequence[OneTime], after: Sequence[OneTime], confidence: float, in_turn: bool, reach_ms: float | None = None
) -> PartChanges:
    """The parts by name; none where a result has none. A part that a result lacks took no time there.

    The interval of each has that confidence; `sure` has it for all of its names together. A part of which nothing says
    how far it may be off is sure where it changed by more than `reach_ms`, by which the whole may be off.
    """
    if not all(_sums(time) for time in (*before, *after)):
        return PartChanges()
    found = {part.name: part for side in (after, before) for time in side for part in time.parts}
    names = list(found)
    was, became = _parts_ms(before, names), _parts_ms(after, names)
    old, new = was.mean(axis=0), became.mean(axis=0)
    if len(before) == len(after) == 1:
        down, up = _own_reaches(before[0], after[0], names)
    else:
        reach = spread([*was], [*became], confidence, in_turn)
        down = up = np.full(len(names), math.nan) if reach is None else reach
    parts = [
        CauseChange(
            name=name,
            class_=found[name].class_,
            side=found[name].side,
            before_ms=float(old[i]),
            after_ms=float(new[i]),
            change_ms=float(new[i] - old[i]),
            low_ms=_known(new[i] - old[i] - down[i]),
            high_ms=_known(new[i] - old[i] + up[i]),
        )
        for i, name in enumerate(names)
    ]
    sure = sure_parts(new - old, was, became, confidence, in_turn)
    if sure is None:
        sure = [_leaves_zero_out(part, reach_ms) for part in parts]
    first = leading_part(new - old, was, became, float((new - old).sum()), in_turn)
    return PartChanges(
        sorted(parts, key=lambda part: -abs(part.change_ms)),
        frozenset(name for name, is_sure in zip(names, sure, strict=True) if is_sure),
        None if first is None else Leading(names[first[0]], first[1]),
    )


def _leaves_zero_out(part: CauseChange, reach_ms: float | None) -> bool:
    if part.low_ms is None or part.high_ms is None:
        return reach_ms is not None and abs(part.change_ms) > reach_ms
    return part.low_ms * part.high_ms > 0


def _sums(time: OneTime) -> bool:
    """Whether its parts are those of this time: a report from elsewhere may hold anything."""
    return bool(time.parts) and abs(math.fsum(part.ms for part in time.parts) - time.ms) <= _ROUNDING * time.ms


def _parts_ms(side: Sequence[OneTime], names: Sequence[str]) -> Array:
    """The parts of each result, in ms: shape (results, parts). In the mean they sum to the geometric mean of the times.

    With d the distance of a result's time from that mean, over it, its distance from the mean parts is taken
    ln(1 + d) / d times: so a row sums to what the logarithm of its time says, and a part that no result has otherwise
    stays as it is but for terms of the fourth order.
    """
    rows = [{part.name: part.ms for part in time.parts} for time in side]
    ms = np.array([[row.get(name, 0.0) for name in names] for row in rows], float)
    times = np.array([[time.ms] for time in side])
    ms *= times / ms.sum(axis=1, keepdims=True)  # whatever rounding left of the sum
    middle = np.exp(np.log(times).mean())
    usual = ms.mean(axis=0) * middle / times.mean()
    off = times / middle - 1
    drawn = np.divide(np.log1p(off), off, out=np.ones_like(off), where=off != 0)
    return np.asarray(usual + (ms - usual) * drawn)


def _own_reaches(before: OneTime, after: OneTime, names: Sequence[str]) -> tuple[Array, Array]:
    """How far each change may lie lower and higher, by what two results know of their parts; nan where one does not."""
    sides = [{part.name: part for part in time.parts} for time in (before, after)]
    reaches = np.array([[_reaches(side.get(name)) for name in names] for side in sides])
    (older_down, older_up), (newer_down, newer_up) = (side.T for side in reaches)
    return np.hypot(newer_down, older_up), np.hypot(newer_up, older_down)


def _reaches(part: PartOfTime | None) -> tuple[float, float]:
    if part is None:
        return 0.0, 0.0
    if part.low_ms is None or part.high_ms is None:
        return math.nan, math.nan
    return part.ms - part.low_ms, part.high_ms - part.ms


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
