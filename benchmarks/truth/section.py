"""One section of the proof: what is claimed, whether it held, and the table that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that can be false. `holds` is None where this machine could not test it; `measured` says what was."""

    text: str
    holds: bool | None
    measured: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below their headings."""

    heading: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Section:
    """What one part of the benchmark found. `environment` is the card and the versions that it ran with."""

    name: str
    title: str
    environment: dict[str, Any]
    claims: list[Claim]
    tables: list[Table]
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every claim that could be tested holds, and one could."""
        tested = [claim.holds for claim in self.claims if claim.holds is not None]
        return bool(tested) and all(tested)
