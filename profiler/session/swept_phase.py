"""What a sweep knows of one phase so far: times at the points of its grid, and at those that test it."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from profiler.report.cost_surface import DecodeCost, PrefillCost
from profiler.report.records import Distribution
from profiler.serving.grid import Grid
from profiler.session.sweep_grid import Size, SweepGrid

Times = dict[Size, Distribution]
# By how much two runs of an equal step differ on a noisy host, and what their interval has: on two cores that others
# kept busy, points that were left alone had 0.02 to 0.25 of their median on either side, the others 0.45 to 27.
_LONGER, _WIDE_RATIO = 1.1, 0.3


@dataclass(slots=True)
class SweptPhase:
    """`grid` is what is still to be had: it shrinks where there is no room or no time. `took_s` is of each point."""

    name: str
    grid: SweepGrid
    times: Times = field(default_factory=dict)
    held_out: Times = field(default_factory=dict)
    given_up: set[Size] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)

    def to_go(self) -> int:
        """Points that are still to be measured."""
        done = self.times.keys() | self.held_out.keys() | self.given_up
        return sum(size not in done for size in (*self.grid.sizes(), *self.grid.between()))

    def whole(self) -> SweepGrid:
        """The part of the grid of which every point was measured.

        It is measured batch size by batch size: the last one is not in it where it was not finished, nor are lengths
        that the first one had not come to.
        """
        lengths = tuple(n for n in self.grid.lengths if Size(self.grid.batches[0], n) in self.times)
        rows = (b for b in self.grid.batches if lengths and all(Size(b, n) in self.times for n in lengths))
        return SweepGrid(tuple(rows), lengths)

    def points(self) -> Times:
        """Those of the whole part."""
        return {size: self.times[size] for size in self.whole().sizes()}

    def disturbed(self) -> list[Size]:
        """Points that took longer than one that is no smaller in any way, or whose repeats lie far apart."""
        known = self.points() | self.held_out
        return [
            size
            for size, time in known.items()
            if _scatters(time)
            or any(other.holds(size) and time.median > _LONGER * larger.median for other, larger in known.items())
        ]

    def retake(self, size: Size, again: Distribution) -> None:
        """Measured once more: the shorter time counts, as what disturbs only adds."""
        times = self.times if size in self.times else self.held_out
        times[size] = min(times[size], again, key=lambda time: time.median)

    def nearest(self, size: Size) -> Size:
        """The last measured point that is no larger."""
        return next(known for known in reversed(self.times) if size.holds(known))

    def error_ratio(self) -> float | None:
        """The median distance of straight lines from what was held out, over its time; None where nothing was."""
        if not self.held_out:
            return None
        grid = Grid.of(self.name, ((size.batch_size, size.tokens, t.median) for size, t in self.points().items()))
        return median(
            abs(grid.line(size.batch_size).at(size.tokens) / measured.median - 1)
            for size, measured in self.held_out.items()
        )


def _scatters(time: Distribution) -> bool:
    return time.high is not None and time.high - time.median > _WIDE_RATIO * time.median


def prefill_costs(times: Times) -> list[PrefillCost]:
    """As the report has them."""
    return [
        PrefillCost(batch_size=size.batch_size, prompt_tokens=size.tokens, ms=t.median, low_ms=t.low, high_ms=t.high)
        for size, t in times.items()
    ]


def decode_costs(times: Times) -> list[DecodeCost]:
    """As the report has them."""
    return [
        DecodeCost(batch_size=size.batch_size, context_tokens=size.tokens, ms=t.median, low_ms=t.low, high_ms=t.high)
        for size, t in times.items()
    ]
