"""Curves in text: readable at any width, without colour."""

from __future__ import annotations

import pytest

from profiler.render.curve import plot_rows
from profiler.render.document import Plot, PlotLine

SPEEDS = tuple(2 ** (step / 4) for step in range(13))


def plot(*lines: tuple[str, float]) -> Plot:
    """Curves of a step of 10 ms of which a fraction gains."""
    return Plot(
        today=10.0,
        speeds=SPEEDS,
        lines=tuple(
            PlotLine(label, "memory", tuple(10 * (1 - part + part / speed) for speed in SPEEDS))
            for label, part in lines
        ),
    )


def drawn(shown: Plot, width: int = 80) -> list[str]:
    return ["".join(cell.text for cell in row) for row in plot_rows(shown, width)]


def field(rows: list[str]) -> list[str]:
    """What stands right of the frame and above the axis."""
    return [row.replace("┤", "│").partition("│")[2] for row in rows[:-3]]


def columns_of(rows: list[str], letter: str) -> set[int]:
    """The columns in which a curve is drawn."""
    return {place for row in field(rows) for place, sign in enumerate(row) if sign == letter}


@pytest.mark.parametrize("width", [60, 80, 100, 160, 300])
def test_no_row_is_wider_than_the_room(width: int) -> None:
    assert max(len(row) for row in drawn(plot(("memory", 0.8), ("host", 0.1)), width)) <= width


def test_a_curve_has_no_holes() -> None:
    rows = drawn(plot(("memory", 1.0)))
    places = columns_of(rows, "m")
    assert places == set(range(len(field(rows)[0])))
    assert [row for row in field(rows)[:-2] if "m" not in row] == []


def test_a_curve_falls_to_the_right_and_ends_at_its_time() -> None:
    rows = field(drawn(plot(("memory", 4 / 7))))
    falls = [min(number for number, row in enumerate(rows) if row[place] == "m") for place in range(len(rows[0]))]
    assert falls == sorted(falls)
    assert falls[-1] == len(rows) // 2  # half of the time is left at 8x


def test_the_curve_that_comes_first_is_on_top() -> None:
    rows = drawn(plot(("memory", 0.5), ("host", 0.5)))
    assert columns_of(rows, "m")
    assert not columns_of(rows, "h")


def test_the_axes_say_the_times_and_the_speeds() -> None:
    rows = drawn(plot(("memory", 0.5)))
    assert rows[0].startswith("10.00 ms ┤")
    assert rows[-4].strip().startswith("0 ┤")
    assert rows[-2].split() == ["1x", "1.5x", "2x", "3x", "4x", "6x", "8x"]
    assert rows[-1].split() == ["m", "memory", "·", "ideal"]
