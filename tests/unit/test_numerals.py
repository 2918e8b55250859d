"""Numbers in sentences have three digits and never an exponent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.numerals import three_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [(15.0, "15"), (4.916, "4.92"), (0.0312, "0.0312"), (1494.4, "1,494"), (999.6, "1,000"), (0.0000312, "0.000031")],
)
def test_a_number_is_told_as_people_write_it(value: float, text: str) -> None:
    assert three_digits(value) == text


@given(st.floats(-1e12, 1e12, allow_nan=False))
def test_no_number_has_an_exponent(value: float) -> None:
    assert "e" not in three_digits(value)
