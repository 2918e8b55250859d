"""What of a trace's text could not be taken as it stands, though the trace could be read."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Cut(Enum):
    """Where a text ends too early; whatever came after that is lost."""

    NOWHERE = 0
    AFTER_EVENTS = 1
    WITHIN_EVENTS = 2


class ReadingFlaws(Struct, frozen=True):
    """Counts of events of the kinds that are read: `timeless` were dropped, `negative` were taken to last 0 ns."""

    cut: Cut = Cut.NOWHERE
    events: int = 0
    timeless: int = 0  # they do not say when they were, or in no number
    negative: int = 0  # they end before they begin
