"""Numbers in sentences."""

from __future__ import annotations


def three_digits(value: float) -> str:
    """Three significant digits: 15 and 4.92 and 0.031. No exponent where `:.3g` has one: 1,494 and 0.000031."""
    size = abs(value)
    if size >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.6f}" if 0 < size < 1e-4 else f"{value:.3g}"
