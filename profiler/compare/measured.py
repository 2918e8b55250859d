"""One number that a budget may limit, with its interval, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from profiler.report.records import Verdict


@dataclass(frozen=True, slots=True)
class Measured:
    """`low`..`high` is where another run's value is expected with 95% probability; null where nothing tells.

    A number that is exact, as of a simulation or of a trace's columns, lies at both ends. `of` says of what it is,
    such as a rank; `note` what to know of it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    of: str = ""
    missing: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that a budget may limit, or the reason why there is none."""

    verdict: Verdict | None
    of: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a table of a budget is about, such as one phase: its numbers by the names that budgets give them.

    `absent` is why the others are missing.
    """

    numbers: Mapping[str, Callable[[], Measured]]
    judged: Judged
    absent: str
    of: str = ""

    def number(self, name: str) -> Measured:
        """The number of that name, or why it is missing."""
        found = self.numbers.get(name)
        measured = Measured(None, missing=self.absent) if found is None else found()
        return replace(measured, of=measured.of or self.of)


def exactly(value: float | None, missing: str = "") -> Measured:
    """A number that another run would find again."""
    return Measured(value, value, value, missing=missing if value is None else "")


def once(
    value: float | None, missing: str, note: str = "measured once, so nothing tells how far runs differ"
) -> Measured:
    """A number without an interval."""
    return Measured(value, note=note) if value is not None else Measured(None, missing=missing)


def inverse(time_ms: Measured, amount: float) -> Measured:
    """How much of `amount` goes by in a second, where each takes the time."""

    def per_second(end: float | None) -> float | None:
        return None if end is None else amount * 1e3 / end if end else math.inf

    return replace(time_ms, value=per_second(time_ms.value), low=per_second(time_ms.high), high=per_second(time_ms.low))


def weighed(numbers: Sequence[tuple[float, Measured]]) -> Measured:
    """The sum of the numbers, each times its weight. They share a device and its luck: all at the same end at once."""
    lacking = next((each for weight, each in numbers if each.value is None and weight), None)
    if lacking is not None:
        return lacking

    def total(end: Callable[[Measured], float | None]) -> float | None:
        ends = [(weight, end(each)) for weight, each in numbers if weight]
        known = [weight * value for weight, value in ends if value is not None]
        return sum(known) if len(known) == len(ends) else None

    notes = dict.fromkeys(each.note for weight, each in numbers if weight and each.note)
    return Measured(
        total(lambda each: each.value),
        total(lambda each: each.low),
        total(lambda each: each.high),
        note="; ".join(notes),
    )
