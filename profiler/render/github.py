"""For GitHub Actions: annotations, which its runner reads from a step's output, and the summary of a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import takewhile

from msgspec import Struct

from profiler.printable import printable
from profiler.render import markdown
from profiler.render.document import Block, Heading, Statement, Tone

# GitHub refuses a longer summary of a step, all of it ("Adding a job summary": 1 MiB).
_LONGEST_SUMMARY_BYTES = 1 << 20
_CUT = "\n_GitHub takes no longer summary: the rest is left out._\n"
# An annotation's title holds 255 characters (REST API, check runs); a message that nobody can read helps nobody.
_LONGEST_TITLE, _LONGEST_TEXT = 200, 2_000
_MOST = 10  # of one level, GitHub shows of a step


class Level(StrEnum):
    """How GitHub marks an annotation. An error fails nothing by itself."""

    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


class Annotation(Struct, frozen=True):
    """A line that GitHub shows beside the run, and on its page."""

    level: Level
    title: str
    text: str


_LEVELS = {
    Tone.ANSWER: Level.NOTICE,
    Tone.INCONCLUSIVE: Level.WARNING,
    Tone.REFUSED: Level.WARNING,
    Tone.THROTTLED: Level.WARNING,
    Tone.INCOMPLETE: Level.WARNING,
}


def annotations_of(blocks: Sequence[Block], title: str) -> list[Annotation]:
    """What the blocks say before their first heading: the answer, and what is wrong with it.

    Where that is nothing, as of several results over time, what each section says of itself, up to ten.
    """
    first = list(takewhile(lambda block: not isinstance(block, Heading), blocks))
    return _told(first, title) or _told(blocks, title)[:_MOST]


def _told(blocks: Iterable[Block], title: str) -> list[Annotation]:
    told = (
        Annotation(_LEVELS[block.tone], title, block.text)
        for block in blocks
        if isinstance(block, Statement) and block.tone in _LEVELS
    )
    return list(dict.fromkeys(told))  # each once


def annotation_lines(annotations: Iterable[Annotation]) -> str:
    """The workflow commands that make these annotations, a line each; nothing in their texts is another command."""
    return "".join(
        f"::{each.level} title={_property(each.title)}::{_data(_shortened(each.text, _LONGEST_TEXT))}\n"
        for each in annotations
    )


def summary(blocks: list[Block]) -> str:
    """Blocks as a job's summary: Markdown, cut at the end of a line where GitHub would take no more."""
    text = markdown.render_blocks(blocks)
    data = text.encode()
    if len(data) <= _LONGEST_SUMMARY_BYTES:
        return text
    kept = data[: _LONGEST_SUMMARY_BYTES - len(_CUT)]
    return kept[: kept.rfind(b"\n") + 1].decode() + _CUT


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _data(text: str) -> str:
    """As the runner unescapes what follows a command (actions/toolkit, command.ts)."""
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(_shortened(text, _LONGEST_TITLE)).replace(":", "%3A").replace(",", "%2C")
