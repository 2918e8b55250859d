"""Curves in text: a phase's time over the speed of each resource, one letter a curve."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log

from msgspec import Struct

from profiler.render.document import Plot, PlotLine
from profiler.render.numbers import duration

_TICKS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_IDEAL = "·"
# Columns a row of the plot has; text cells are twice as high as wide.
_COLUMNS_A_ROW = 6
_LEAST_ROWS, _MOST_ROWS = 9, 17
_WIDEST = 110


class PlotCell(Struct, frozen=True):
    """One character; `kind` is the class whose colour it has, empty for the frame."""

    text: str
    kind: str = ""


def plot_rows(plot: Plot, width: int) -> list[list[PlotCell]]:
    """The picture, row by row, at most `width` columns wide.

    Upwards is time from 0 to that of today, to the right speed on a logarithmic scale. Where curves meet, the one that
    comes first stays on top. Dots are the ideal: a step that consists of nothing else.
    """
    labels = [duration(plot.today), duration(plot.today / 2), "0"]
    margin = max(len(label) for label in labels) + 1
    columns = min(width, _WIDEST) - margin - 1
    rows = min(max(columns // _COLUMNS_A_ROW, _LEAST_ROWS), _MOST_ROWS) // 2 * 2 + 1  # so that one is the middle
    field = [[PlotCell(" ")] * columns for _ in range(rows)]
    fastest = plot.speeds[-1]
    ideal = [fastest ** -(column / (columns - 1)) for column in range(columns)]
    for column, height in enumerate(ideal):
        field[_row(height, rows)][column] = PlotCell(_IDEAL)
    for line in reversed(plot.lines):
        _draw(field, line, plot)
    named = {0: labels[0], rows // 2: labels[1], rows - 1: labels[2]}
    found = []
    for number, cells in enumerate(field):
        label = f"{named.get(number, ''):>{margin - 1}} "
        found.append([PlotCell(f"{label}{'┤' if number in named else '│'}"), *cells])
    found += _axis(columns, margin, fastest)
    legend = [PlotCell(" " * (margin + 1))]
    for line in plot.lines:
        legend += [PlotCell(line.label[0], line.kind), PlotCell(f" {line.label}   ")]
    return [*found, [*legend, PlotCell(f"{_IDEAL} ideal")]]


def _draw(field: list[list[PlotCell]], line: PlotLine, plot: Plot) -> None:
    """One curve, without holes where it is steep."""
    rows, columns = len(field), len(field[0])
    heights = [_between(plot.speeds, line.values, column / (columns - 1)) / plot.today for column in range(columns)]
    places = [_row(height, rows) for height in heights]
    for column, (before, place) in enumerate(pairwise([places[0], *places])):
        first, last = sorted((before, place))
        for row in range(min(first + 1, place) if before < place else first, last + 1):
            field[row][column] = PlotCell(line.label[0], line.kind)


def _between(speeds: Sequence[float], values: Sequence[float], part: float) -> float:
    """The value at a part of the logarithmic axis, on a straight line between its neighbours."""
    at = part * log(speeds[-1])
    for (speed, value), (following, later) in pairwise(zip(speeds, values, strict=True)):
        if at <= log(following) or following == speeds[-1]:
            return value + (later - value) * (at - log(speed)) / (log(following) - log(speed))
    return values[-1]


def _row(height: float, rows: int) -> int:
    return min(max(round((1 - height) * (rows - 1)), 0), rows - 1)


def _axis(columns: int, margin: int, fastest: float) -> list[list[PlotCell]]:
    line, words = ["─"] * columns, [" "] * (columns + 2)
    free = 0
    for tick in _TICKS:
        place = round(log(tick) / log(fastest) * (columns - 1)) if tick <= fastest else columns
        text = f"{tick:g}x"
        if free <= place < columns:
            line[place] = "┬"
            start = min(place, columns - len(text))
            words[start : start + len(text)] = text
            free = start + len(text) + 2
    indent = " " * margin
    return [[PlotCell(f"{indent}└{''.join(line)}")], [PlotCell(f"{indent} {''.join(words).rstrip()}")]]
