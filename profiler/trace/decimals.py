"""Exact nanoseconds from the decimal text of microseconds, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import msgspec
import numpy as np

from profiler.trace.no_numbers import NO_NUMBER
from profiler.trace.timeline import Ints

# The year 2096; two such times may be added in an int64.
LARGEST_NS = 4 * 10**18
_WHOLE_DIGITS = 16
# By the number of decimals: the ns of a digit, and how many of them there may be.
_NS_OF_DIGIT = np.array([1000, 100, 10, 1])
_LARGEST_DIGITS = LARGEST_NS // _NS_OF_DIGIT


def nanoseconds(microseconds: bytes) -> int:
    """Integer ns of one time, e.g. `b"1712195495706040.241"`; numbers in quotes occur.

    A float of microseconds since the epoch is only good to 250 ns. Raises `ValueError` where it is no finite number.
    """
    text = microseconds.decode().strip('"')
    try:
        if microseconds == NO_NUMBER:
            raise InvalidOperation
        value = Decimal(text) * 1000
        if abs(value) <= LARGEST_NS:  # NaN raises
            return round(value)
    except InvalidOperation:
        pass
    raise ValueError("a time is no number")


def is_time(microseconds: msgspec.Raw) -> bool:
    """Whether `nanoseconds` can be had of it."""
    try:
        nanoseconds(bytes(microseconds))
    except ValueError:
        return False
    return True


def column_of_nanoseconds(microseconds: Sequence[msgspec.Raw]) -> Ints:
    """As `nanoseconds`, for many; shape (n,)."""
    if not microseconds:
        return np.empty(0, np.int64)
    column = _of_plain(b" ".join(microseconds))
    return column if column is not None else np.array([nanoseconds(bytes(text)) for text in microseconds], np.int64)


def _of_plain(text: bytes) -> Ints | None:
    """For digits with up to three decimals, separated by single spaces: what a profiler writes. None for any other."""
    if text.translate(None, b"0123456789. "):
        return None
    characters = np.frombuffer(text, np.uint8)
    ends = np.append(np.flatnonzero(characters == ord(" ")), len(text))
    points = np.flatnonzero(characters == ord("."))
    owner = np.searchsorted(ends, points)
    decimals = np.zeros(len(ends), np.int64)
    decimals[owner] = ends[owner] - points - 1
    if decimals.max() > 3 or (np.diff(ends, prepend=-1) - 1 - decimals).max() > _WHOLE_DIGITS + 1:
        return None
    digits: Ints = np.fromstring(text.replace(b".", b""), np.int64, sep=" ")  # 20 digits would become the largest int64
    return digits * _NS_OF_DIGIT[decimals] if (digits <= _LARGEST_DIGITS[decimals]).all() else None
