"""The clock that whatever measures is handed, so that a test can hand it another."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], int]
"""Monotonic nanoseconds."""
