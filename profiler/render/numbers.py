"""Numbers as people read them: three significant digits, a unit they know, never a false zero."""

from __future__ import annotations

import re
from collections.abc import Callable

from profiler.numerals import percent as percent

MISSING = "–"
RANGE = "–"
_UNIT = re.compile(r"[^\d.]+$")


def number(value: float) -> str:
    """Three significant digits, with thousands separated: 1,494 and 27.0 and 0.0312."""
    size = float(f"{abs(value):.3g}")
    if size >= 1000 or value == 0:
        return f"{value:,.0f}"
    if size < 0.001:
        return f"{value:.6f}" if size >= 1e-5 else "<0.00001" if value > 0 else ">-0.00001"
    whole = len(str(int(size))) if size >= 1 else 0
    leading_zeros = 0 if size >= 0.1 else 1 if size >= 0.01 else 2
    return f"{value:.{3 - whole + leading_zeros}f}"


def count(value: float) -> str:
    """A number of things: 1,494 and 8.03 B."""
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if abs(value) >= 0.9995 * limit:
            return f"{number(value / limit)} {unit}"
    return f"{value:,.0f}"


def compact_count(value: float) -> str:
    """A number of things where space is short: 512 and 121k and 1.05M."""
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e6 if unit == "M" else 1e3)
            return f"{scaled:.0f}{unit}" if scaled >= 100 else f"{scaled:.3g}{unit}"
    return f"{value:,.0f}"


def size(value_bytes: float) -> str:
    """Bytes in decimal units, as memory makers and bandwidths count them."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value_bytes) >= limit:
            return f"{number(value_bytes / limit)} {unit}"
    return f"{value_bytes:.0f} B"


def operations(flops: float) -> str:
    """Floating point operations."""
    for limit, unit in ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"), (1e3, "kFLOP")):
        if abs(flops) >= limit:
            return f"{number(flops / limit)} {unit}"
    return f"{flops:.0f} FLOP"


def duration(milliseconds: float) -> str:
    """A time with the unit that suits it: 35.0 µs, 27.03 ms, 12.4 s."""
    length = abs(milliseconds)
    if length >= 9_999.5:
        return f"{number(milliseconds / 1e3)} s"
    if length < 0.1 and length > 0:
        return f"{number(milliseconds * 1e3)} µs"
    return f"{milliseconds:,.2f} ms" if 10 <= length < 99.995 else f"{number(milliseconds)} ms"


def ratio(value: float) -> str:
    """A share or a fraction between 0 and 1."""
    return f"{value:.2f}"


def times(value: float) -> str:
    """A factor: 3.3x."""
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def interval(low: float | None, high: float | None, form: Callable[[float], str] = number) -> str:
    """Two ends of an interval with their unit said once; empty where an end is missing."""
    if low is None or high is None:
        return ""
    first, last = form(low), form(high)
    if first == last:
        return first
    if unit := _UNIT.search(last):
        first = first.removesuffix(unit.group())
    return f"{first} to {last}" if low < 0 else f"{first}{RANGE}{last}"


def aligned(value: float, largest: float) -> str:
    """A number with as many decimals as `largest`, the largest of its column, has at four significant digits."""
    decimals = max(0, 4 - len(str(int(abs(largest))))) if abs(largest) >= 1 else 4
    text = f"{value:,.{decimals}f}"
    if value != 0 and float(text.replace(",", "")) == 0:
        least = f"{10**-decimals:.{decimals}f}"
        return f"<{least}" if value > 0 else f">-{least}"
    return text
