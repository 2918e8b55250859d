"""Numbers in sentences."""

from __future__ import annotations


def three_digits(value: float) -> str:
    """Three significant digits: 15 and 4.92 and 0.031. No exponent where `:.3g` has one: 1,494 and 0.000031."""
    size = abs(value)
    if size >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.6f}" if 0 < size < 1e-4 else f"{value:.3g}"


def percent(ratio: float) -> str:
    """A ratio as a percentage; what is there but rounds to nothing says so."""
    value = ratio * 100
    if value == 0:
        return "0%"
    if abs(value) < 0.005:
        return "<0.01%" if value > 0 else ">-0.01%"
    decimals = 2 if abs(value) < 0.095 else 1 if abs(value) < 9.95 else 0
    return f"{value:.{decimals}f}%"
