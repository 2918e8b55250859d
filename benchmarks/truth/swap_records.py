"""What one card of a hardware swap measured, as `swap.json` keeps it in its details."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.truth.results import read_section
from benchmarks.truth.section import Section
from profiler.report.records import Clean


class Timing(msgspec.Struct, frozen=True):
    """The clean times of one configuration, or why there are none."""

    clean: Clean | None
    host_ms: float | None
    missing: str | None = None

    @property
    def wall_ms(self) -> float:
        """The clean median. Raises `ValueError` where nothing was measured."""
        if self.clean is None:
            raise ValueError(self.missing)
        return self.clean.wall_ms.median


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """All of one card. Ceilings are in their own units (GB/s, TFLOP/s, us)."""

    ceilings: dict[str, float | None]
    timings: dict[str, Timing]


def read_measured(folder: Path) -> tuple[Section, Measured]:
    """The section that a card's run left in `folder`, and what it measured."""
    section = read_section(folder / "swap.json")
    return section, msgspec.convert(section.details, Measured)
