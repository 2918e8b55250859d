"""A report as blocks of text: what is said is decided here once, how it looks is each output's own affair."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from profiler.printable import printable
from profiler.render.numbers import MISSING

# Names of kernels take a few thousand characters at most; the JSON has what is longer as it is.
_LONGEST_TEXT = 4_000


class Tone(StrEnum):
    """How a statement is meant. Each output gives every tone a mark that is visible without colour."""

    ANSWER = "answer"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"
    THROTTLED = "throttled"
    INCOMPLETE = "incomplete"
    PLAIN = "plain"
    FAINT = "faint"


class Heading(Struct, frozen=True):
    """Begins a section; level 1 is a phase, level 2 a table of it."""

    text: str
    level: int = 1


class Statement(Struct, frozen=True):
    """A sentence or two."""

    text: str
    tone: Tone = Tone.PLAIN


class Bullets(Struct, frozen=True):
    """Several sentences, each on its own.

    `mark` stands before each, with `{}` for its number. `commands` are what to type, one for each item, "" for none.
    """

    items: tuple[str, ...]
    mark: str = "-"
    commands: tuple[str, ...] = ()

    def with_commands(self) -> Iterable[tuple[str, str]]:
        """Each item with its command."""
        return zip(self.items, self.commands or ("",) * len(self.items), strict=True)


class Fact(Struct, frozen=True):
    """One labelled number; `note` qualifies it (its interval, its tier)."""

    label: str
    value: str
    note: str = ""


class Facts(Struct, frozen=True):
    """Labelled numbers, one a line or in as many columns as there is room for."""

    facts: tuple[Fact, ...]


class Segment(Struct, frozen=True):
    """A piece of a stacked bar: `kind` is a class, which decides its pattern and its colour."""

    kind: str
    fraction: float


class Bar(Struct, frozen=True):
    """A stacked bar: over the whole width, with the table below it for a legend, or in a cell of a table."""

    segments: tuple[Segment, ...]


class Gauge(Struct, frozen=True):
    """A cell: a bar from 0 to `value` of 1, its uncertainty from `low` to `high`."""

    value: float
    low: float
    high: float


class Mark(Struct, frozen=True):
    """A cell: the pattern that a class has in the stacked bar."""

    kind: str


Cell = str | Gauge | Mark | Bar


class Column(Struct, frozen=True):
    """A column of a grid.

    Where the grid is too wide, the column with the largest `drop` goes first; 0 stays. A `flexible` column is
    shortened to fit before any other column is dropped, down to `shortest` characters; what does not fit then goes on
    in the next line where it `wraps`. `kind` is the class whose share of the bars beside it the column gives.
    """

    title: str
    numeric: bool = False
    drop: int = 0
    flexible: bool = False
    shortest: int = 24
    wraps: bool = False
    kind: str = ""


class Grid(Struct, frozen=True):
    """A table. Its last row is the sum of the others where `total` says so."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: bool = False


class Beside(Struct, frozen=True):
    """Two groups of blocks, side by side where there is room, else one after the other."""

    left: tuple[Block, ...]
    right: tuple[Block, ...]


class Roomy(Struct, frozen=True):
    """Blocks that are shown only where there is much room."""

    blocks: tuple[Block, ...]


class PlotLine(Struct, frozen=True):
    """One curve of a plot: a value for each of its speeds. `kind` is a class, which decides its colour."""

    label: str
    kind: str
    values: tuple[float, ...]


class Plot(Struct, frozen=True):
    """Times in milliseconds over speed; `today` is that at a speed of 1."""

    today: float
    speeds: tuple[float, ...]
    lines: tuple[PlotLine, ...]


class SlotSpan(Struct, frozen=True):
    """A slot in one state from `begin` to `end`; `label` names the request."""

    state: str
    label: str
    begin: float
    end: float


class Slots(Struct, frozen=True):
    """What the slots of a batch did from 0 to `end` milliseconds; `waiting` is the queue's length at even steps."""

    end: float
    rows: tuple[tuple[str, tuple[SlotSpan, ...]], ...]
    waiting: tuple[int, ...]


Block = Heading | Statement | Bullets | Facts | Bar | Grid | Beside | Roomy | Plot | Slots


def printable_blocks(blocks: Iterable[Block]) -> list[Block]:
    """The same blocks, all their text as lines, not endless, that command no terminal: names come from anywhere."""
    return [_printable(block) for block in blocks]


def _printable(value: Any) -> Any:
    match value:
        case str():
            return printable(value if len(value) <= _LONGEST_TEXT else f"{value[: _LONGEST_TEXT - 1]}…")
        case tuple():
            return tuple(_printable(each) for each in value)
        case Struct():
            return type(value)(*(_printable(getattr(value, name)) for name in value.__struct_fields__))
    return value


class Footnotes(Struct):
    """Why numbers are missing: each reason gets a number once."""

    reasons: list[str] = field(default_factory=list)

    def missing(self, reason: str | None) -> str:
        """The sign for a missing number, with the number of its footnote."""
        text = reason or "the report does not say why"
        if text not in self.reasons:
            self.reasons.append(text)
        return f"{MISSING} [{self.reasons.index(text) + 1}]"
