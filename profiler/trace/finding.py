"""What is wrong with a trace, and what that means for a verdict."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

# From here on (share of a trace), what is lost or not to be trusted outweighs any error that a verdict may have.
FATAL_RATIO = 0.1


class Severity(StrEnum):
    """What a finding means for a verdict."""

    NOTE = "note"  # good to know
    WARNING = "warning"  # lowers the confidence
    FATAL = "fatal"  # the trace cannot carry a verdict


class Finding(Struct, frozen=True):
    """One flaw of a trace: `count` events `of` so many; `code` is stable, `message` is for people.

    `lost_ratio` is the part of the trace that a verdict cannot rest on because of it. 0 where something else says that
    already: kernels without shapes are kernels whose bytes nobody knows. `effect` is what it does to the numbers.
    """

    code: str
    message: str
    count: int
    of: int
    severity: Severity
    lost_ratio: float = 0.0
    effect: str = ""
