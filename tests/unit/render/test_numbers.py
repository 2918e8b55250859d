"""Numbers as people read them."""

from __future__ import annotations

import pytest

from profiler.render.numbers import aligned, compact_count, count, duration, interval, number, percent, size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1494, "1,494"),
        (27.03, "27.0"),
        (5.0, "5.00"),
        (0.0312, "0.0312"),
        (0.00004, "0.000040"),
        (1e-9, "<0.00001"),
        (0, "0"),
        (-3.5, "-3.50"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.79, "79%"), (0.0963, "9.6%"), (0.00071, "0.07%"), (0.0000001, "<0.01%"), (0, "0%"), (-0.02, "-2.0%")],
)
def test_what_is_there_is_never_shown_as_nothing(ratio: float, text: str) -> None:
    assert percent(ratio) == text


def test_a_column_of_numbers_has_one_number_of_decimals_and_no_false_zero() -> None:
    assert [aligned(value, 27.03) for value in (18.41, 0.3, 0.001, 0, -0.001)] == [
        "18.41",
        "0.30",
        "<0.01",
        "0.00",
        ">-0.01",
    ]
    assert aligned(2310.4, 2310.4) == "2,310"


def test_the_unit_of_an_interval_is_said_once() -> None:
    assert interval(0.2, 0.3, percent) == "20–30%"
    assert interval(534.2, 578.1, lambda value: f"{number(value)} GB/s") == "534–578 GB/s"
    assert interval(900, 1_100_000, size) == "900 B–1.10 MB"
    assert interval(1980, 1980) == "1,980"
    assert interval(-0.11, 0.21) == "-0.110 to 0.210"
    assert interval(None, 3.0) == ""


def test_times_and_sizes_take_the_unit_that_suits_them() -> None:
    assert [duration(ms) for ms in (0.035, 4.99, 27.03, 2310, 61_000)] == [
        "35.0 µs",
        "4.99 ms",
        "27.03 ms",
        "2,310 ms",
        "61.0 s",
    ]
    assert [size(b) for b in (8, 131_072, 16_060_522_496)] == ["8 B", "131 kB", "16.1 GB"]
    assert [count(n) for n in (512, 8_030_261_248, 999_885_952)] == ["512", "8.03 B", "1.00 B"]
    assert [compact_count(n) for n in (512, 9_999, 121_344, 1_048_576)] == ["512", "9,999", "121k", "1.05M"]
