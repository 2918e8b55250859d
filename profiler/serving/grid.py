"""A quantity measured over batch sizes and lengths, and its interpolation."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from profiler.errors import UnreadableError

Floats = NDArray[np.float64]


class Line:
    """A polyline over a length: level before its first knot, along its last piece after the last.

    `knots` ascend. The last piece does not fall: what is longer costs no less.
    """

    def __init__(self, knots: tuple[float, ...], values: tuple[float, ...]) -> None:
        self.knots, self.values = knots, values
        pieces = list(pairwise(zip(knots, values, strict=True)))
        slopes = [(after - before) / (end - begin) for (begin, before), (end, after) in pieces]
        self._slopes = (*slopes, max(slopes[-1], 0.0) if slopes else 0.0)
        areas = ((end - begin) * (before + after) / 2 for (begin, before), (end, after) in pieces)
        self._areas = tuple(accumulate(areas, initial=0.0))

    def at(self, length: float) -> float:
        """The value there."""
        place = bisect_right(self.knots, length) - 1
        if place < 0:
            return self.values[0]
        return self.values[place] + self._slopes[place] * (length - self.knots[place])

    def integral(self, begin: float, end: float) -> float:
        """The area under it from `begin` to `end`."""
        return self._area(end) - self._area(begin)

    def values_at(self, lengths: Floats) -> Floats:
        """`at` of a column."""
        place, past = self._places(lengths)
        found: Floats = np.array(self.values)[place] + np.array(self._slopes)[place] * np.maximum(past, 0.0)
        return found

    def areas_to(self, lengths: Floats) -> Floats:
        """The area from the first knot to each of a column."""
        place, past = self._places(lengths)
        value, slope = np.array(self.values)[place], np.array(self._slopes)[place]
        found: Floats = np.array(self._areas)[place] + past * (value + slope * np.maximum(past, 0.0) / 2)
        return found

    def _area(self, length: float) -> float:
        place = bisect_right(self.knots, length) - 1
        if place < 0:
            return (length - self.knots[0]) * self.values[0]
        past = length - self.knots[place]
        return self._areas[place] + past * (self.values[place] + self._slopes[place] * past / 2)

    def _places(self, lengths: Floats) -> tuple[NDArray[np.int64], Floats]:
        place = np.maximum(np.searchsorted(self.knots, lengths, side="right") - 1, 0)
        return place, lengths - np.array(self.knots)[place]


@dataclass(frozen=True, slots=True)
class Grid:
    """A line over the lengths for each batch size that was measured."""

    batch_sizes: tuple[int, ...]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, phase: str, points: Iterable[tuple[int, int, float]]) -> Grid:
        """From (batch size, length, value). Raises `UnreadableError` where a point is missing or makes no sense."""
        values = {(batch, length): value for batch, length, value in points}
        batches, lengths = (sorted({key[side] for key in values}) for side in (0, 1))
        if not values:
            raise UnreadableError(f"the cost surface has no point of {phase}", "bottleneck profile MODEL --sweep")
        for batch in batches:
            for length in lengths:
                value = values.get((batch, length))
                where = f"batch {batch} and {length} tokens"
                if value is None:
                    raise UnreadableError(f"the cost surface has no {phase} time at {where}, but beside it")
                if not (isfinite(value) and value > 0) or batch < 1 or length < 0:
                    raise UnreadableError(f"the cost surface's {phase} time at {where} makes no sense")
        knots = tuple(float(length) for length in lengths)
        return cls(
            tuple(batches),
            tuple(Line(knots, tuple(values[batch, length] for length in lengths)) for batch in batches),
        )

    @property
    def least(self) -> float:
        """Its smallest value."""
        return min(min(line.values) for line in self.lines)

    def line(self, batch: int) -> Line:
        """Between two batch sizes on a straight line; level below the first, along the last piece above the last."""
        sizes, lines = self.batch_sizes, self.lines
        if batch <= sizes[0] or len(sizes) == 1:
            return lines[0]
        place = min(bisect_right(sizes, batch), len(sizes) - 1)
        low, high = lines[place - 1], lines[place]
        part = (batch - sizes[place - 1]) / (sizes[place] - sizes[place - 1])
        values = (
            before + part * (max(after, before) if part > 1 else after) - part * before
            for before, after in zip(low.values, high.values, strict=True)
        )
        return Line(low.knots, tuple(values))
