"""What a telemetry source is: one file each, all behind this protocol. Nothing here or in them imports torch."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct, field

from profiler.report.vocabulary import Tier


class Kind(StrEnum):
    """How samples of a quantity become one number."""

    LEVEL = "level"  # a reading, or a mean over its window: their median
    COUNTER = "counter"  # a running total: its increase while the phase ran
    BITS = "bits"  # flags: all that were seen


class Quantity(Struct, frozen=True, kw_only=True):
    """One thing that a source reads. `note` says what the number means where its name does not."""

    name: str
    unit: str
    tier: Tier
    kind: Kind = Kind.LEVEL
    note: str | None = None


class Sample(Struct, frozen=True, kw_only=True):
    """Values read at one moment (`start_ns == end_ns`) or over one window, on CLOCK_MONOTONIC.

    A quantity that was not read is not in `values`.
    """

    source: str
    start_ns: int
    end_ns: int
    values: dict[str, float]


class Recording(Struct, frozen=True, kw_only=True):
    """All that the telemetry process has to say about one pass.

    `refused[source][quantity]` says why a quantity was not read, or not to the end. `failure` says why there is
    nothing at all.
    """

    samples: list[Sample] = field(default_factory=list)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    failure: str | None = None


class TelemetrySource(Protocol):
    """Reads some quantities. A refusal ends that quantity's series, never the sampling."""

    @property
    def name(self) -> str:
        """Its key in `Sample.source` and `Recording.refused`."""

    @property
    def interval_ns(self) -> int:
        """How long to wait between two samples."""

    @property
    def refused(self) -> dict[str, str]:
        """Quantities that could not be read since `begin`, with the reason."""

    def begin(self, now_ns: int) -> None:
        """Start anew: the first window begins now."""

    def sample(self, now_ns: int) -> list[Sample]:
        """Read everything now. A quantity over a window covers the time since the last call."""

    def close(self) -> None:
        """Let go of what it holds."""
