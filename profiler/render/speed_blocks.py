"""What each speed would bring, all else as measured: a table, where each stops helping, and the curves."""

from __future__ import annotations

from profiler.render.document import Block, Bullets, Column, Grid, Heading, Plot, PlotLine, Statement, Tone
from profiler.render.numbers import duration, times
from profiler.render.whatif_answer import KNOBS, factor
from profiler.render.words import listed
from profiler.report.speed_curve import Curve

# A curve that never gains as much is one line of text.
_FLAT = 0.01
# What gains less would be a straight line on top of a plot.
_VISIBLE = 0.05
_STOPS_HELPING = "A speed stops helping where less than a tenth of a further gain in it would arrive."
_SHOWN_SPEEDS = (2**0.5, 2.0, 4.0, 8.0)


def speed_blocks(curves: list[Curve], today: float) -> list[Block]:
    """The curves of a phase that takes `today` milliseconds as measured."""
    blocks: list[Block] = []
    curves = sorted(curves, key=lambda curve: curve.limit_ms)
    steep = [curve for curve in curves if today > 0 and curve.limit_ms / today <= 1 - _FLAT]
    flat = [KNOBS[curve.knob] for curve in curves if curve not in steep]
    blocks.append(Heading("What each speed brings, all else as measured", 2))
    if steep:
        blocks += [_curve_grid(steep), Bullets(tuple(f"{KNOBS[curve.knob]}: {until(curve)}" for curve in steep))]
        blocks.append(Statement(_STOPS_HELPING, Tone.FAINT))
    if flat:
        blocks.append(Statement(f"Less than {_FLAT:.0%}, however fast: {listed(flat)}.", Tone.FAINT))
    drawn = [curve for curve in steep if curve.limit_ms / today <= 1 - _VISIBLE]
    return [*blocks, _plot(drawn, today)] if drawn else blocks


def _curve_grid(curves: list[Curve]) -> Grid:
    columns = (
        Column("faster"),
        *(
            Column(f"at {factor(speed)}", numeric=True, drop=1 if speed in (2**0.5, 8.0) else 0)
            for speed in _SHOWN_SPEEDS
        ),
        Column("if free", numeric=True),
        Column("at most", numeric=True),
    )
    rows = tuple(
        (
            KNOBS[curve.knob],
            *(duration(ms_at(curve, speed)) for speed in _SHOWN_SPEEDS),
            duration(curve.limit_ms),
            times(curve.points[0].ms / curve.limit_ms) if curve.limit_ms > 0 else "",
        )
        for curve in curves
    )
    return Grid(columns, rows)


def until(curve: Curve) -> str:
    """Where a speed stops helping, and what takes over when."""
    stops, first, last = curve.stops_helping, curve.points[0].speed, curve.points[-1].speed
    if stops is None:
        told = f"still helps at {factor(last)}"
    elif stops == first:
        told = "hardly helps"
    else:
        told = f"stops helping at {times(stops)}"
    over = curve.takes_over
    if over is not None and over.speed > first:
        latest = times(over.high) if over.high is not None else "never"
        told += f"; from {times(over.speed)} ({times(over.low)} to {latest}) on {over.class_} is the bottleneck"
    return told


def _plot(curves: list[Curve], today: float) -> Plot:
    return Plot(
        today=today,
        speeds=tuple(point.speed for point in curves[0].points),
        lines=tuple(
            PlotLine(curve.knob.value, curve.knob.bottleneck_class.value, tuple(point.ms for point in curve.points))
            for curve in curves
        ),
    )


def ms_at(curve: Curve, speed: float) -> float:
    """The time at the speed of the curve that is nearest."""
    return min(curve.points, key=lambda point: abs(point.speed - speed)).ms
