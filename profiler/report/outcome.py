"""How a rule of a budget ends."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Whether a rule holds."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"  # its interval straddles the limit, its number is missing, or its verdict is in doubt


class CountsAs(StrEnum):
    """What a rule counts as that can neither be said to hold nor not to."""

    PASS = "pass"
    FAIL = "fail"
