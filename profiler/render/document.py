"""A report as blocks of text: what is said is decided here once, how it looks is each output's own affair."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from profiler.render.numbers import MISSING


class Tone(StrEnum):
    """How a statement is meant. Each output gives every tone a mark that is visible without colour."""

    ANSWER = "answer"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"
    THROTTLED = "throttled"
    INCOMPLETE = "incomplete"
    PLAIN = "plain"
    FAINT = "faint"


@dataclass(frozen=True, slots=True)
class Heading:
    """Begins a section; level 1 is a phase, level 2 a table of it."""

    text: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence or two."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Bullets:
    """Several sentences, each on its own; what follows an item's first line are commands.

    `mark` stands before each, with `{}` for its number.
    """

    items: tuple[str, ...]
    mark: str = "-"


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled number; `note` qualifies it (its interval, its tier)."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Labelled numbers, one a line or in as many columns as there is room for."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a stacked bar: `kind` is a class, which decides its pattern and its colour."""

    kind: str
    fraction: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar over the whole width; its legend is the table below it."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A cell: a bar from 0 to `value` of 1, its uncertainty from `low` to `high`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A cell: the pattern that a class has in the stacked bar."""

    kind: str


Cell = str | Gauge | Mark


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a grid.

    Where the grid is too wide, the column with the largest `drop` goes first; 0 stays. A `flexible` column is
    shortened to fit before any other column is dropped, down to `shortest` characters; what does not fit then goes on
    in the next line where it `wraps`.
    """

    title: str
    numeric: bool = False
    drop: int = 0
    flexible: bool = False
    shortest: int = 24
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. Its last row is the sum of the others where `total` says so."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """Two groups of blocks, side by side where there is room, else one after the other."""

    left: tuple[Block, ...]
    right: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class PlotLine:
    """One curve of a plot: a value for each of its speeds. `kind` is a class, which decides its colour."""

    label: str
    kind: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Times in milliseconds over speed; `today` is that at a speed of 1."""

    today: float
    speeds: tuple[float, ...]
    lines: tuple[PlotLine, ...]


@dataclass(frozen=True, slots=True)
class SlotSpan:
    """A slot in one state from `begin` to `end`; `label` names the request."""

    state: str
    label: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Slots:
    """What the slots of a batch did from 0 to `end` milliseconds; `waiting` is the queue's length at even steps."""

    end: float
    rows: tuple[tuple[str, tuple[SlotSpan, ...]], ...]
    waiting: tuple[int, ...]


Block = Heading | Statement | Bullets | Facts | Bar | Grid | Beside | Plot | Slots


@dataclass(slots=True)
class Footnotes:
    """Why numbers are missing: each reason gets a number once."""

    reasons: list[str] = field(default_factory=list)

    def missing(self, reason: str | None) -> str:
        """The sign for a missing number, with the number of its footnote."""
        text = reason or "the report does not say why"
        if text not in self.reasons:
            self.reasons.append(text)
        return f"{MISSING} [{self.reasons.index(text) + 1}]"
