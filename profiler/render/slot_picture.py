"""Slots over time in text: a row a slot, a character a moment, and below them how many wait."""

from __future__ import annotations

from profiler.render.document import Slots, SlotSpan
from profiler.render.numbers import compact_count, duration

# Only what a terminal without Unicode has a stand-in for.
_SIGNS = {"prefill": "▒", "decode": "█", "hole": "·"}
_LEGEND = "▒ prefill   █ decode, with the request's number   · hole: ended, and the slot is not free"
_WIDEST = 130
_COLUMNS_A_COUNT = 6


def slot_rows(picture: Slots, width: int) -> list[str]:
    """The picture, at most `width` columns wide. A moment shows what takes most of it."""
    margin = max(len("waiting"), *(len(label) for label, _ in picture.rows)) + 1
    columns = min(width, _WIDEST) - margin
    rows = [f"{label:<{margin}}{_slot(spans, picture.end, columns)}".rstrip() for label, spans in picture.rows]
    rows.append(f"{'waiting':<{margin}}{_waiting(picture.waiting, columns)}".rstrip())
    end = duration(picture.end)
    rows.append(f"{'':<{margin}}{'0':<{columns - len(end)}}{end}")
    return [*rows, *_wrapped(_LEGEND, width)]


def _slot(spans: tuple[SlotSpan, ...], end: float, columns: int) -> str:
    most, signs = [0.0] * columns, [" "] * columns
    for span in spans:
        first, last = (min(side / end * columns, columns) for side in (span.begin, span.end))
        for column in range(int(first), min(int(last) + 1, columns)):
            share = min(last, column + 1) - max(first, column)
            if share > most[column]:
                most[column], signs[column] = share, _SIGNS[span.state]
    for span in spans:
        begin, stop = (round(min(side / end, 1.0) * columns) for side in (span.begin, span.end))
        if span.state == "decode" and stop - begin > len(span.label) + 1:
            signs[begin + 1 : begin + 1 + len(span.label)] = span.label
    return "".join(signs)


def _waiting(counts: tuple[int, ...], columns: int) -> str:
    """The length of the queue now and then."""
    places = range(0, columns - _COLUMNS_A_COUNT + 1, _COLUMNS_A_COUNT)
    shown = (compact_count(counts[place * len(counts) // columns]) for place in places)
    return "".join(f"{each:<{_COLUMNS_A_COUNT}}" for each in shown)


def _wrapped(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split("   "):
        if line and len(line) + len(word) + 3 > width:
            lines.append(line)
            line = word
        else:
            line = f"{line}   {word}" if line else word
    return [*lines, line]
