"""What is wrong with a trace, and what that means for a verdict."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from profiler.trace import intervals
from profiler.trace.intervals import Ints

# From here on (share of a trace), what is lost or not to be trusted outweighs any error that a verdict may have.
FATAL_RATIO = 0.1


class Severity(StrEnum):
    """What a finding means for a verdict."""

    NOTE = "note"  # good to know
    WARNING = "warning"  # lowers the confidence
    FATAL = "fatal"  # the trace cannot carry a verdict


class Finding(Struct, frozen=True, eq=False):
    """One flaw of a trace: `count` events `of` so many; `code` is stable, `message` is for people.

    `lost_ratio` is the part of the trace that a verdict cannot rest on because of it. 0 where something else says that
    already: kernels without shapes are kernels whose bytes nobody knows. `effect` is what it does to the numbers.
    `where` are the stretches of the trace's clock in which it lies, shape (n, 2); None where it may lie anywhere.
    """

    code: str
    message: str
    count: int
    of: int
    severity: Severity
    lost_ratio: float = 0.0
    effect: str = ""
    where: Ints | None = None

    def spoils(self, start_ns: int, end_ns: int) -> bool:
        """Whether this part of the trace cannot carry a verdict either, for what of the flaw lies in it."""
        if self.severity is not Severity.FATAL or self.where is None:
            return self.severity is Severity.FATAL
        return intervals.total(intervals.clip(self.where, start_ns, end_ns)) > FATAL_RATIO * (end_ns - start_ns)
