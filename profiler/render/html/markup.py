"""Blocks as HTML. All text is escaped here, and nowhere is any of it markup, style or script."""

from __future__ import annotations

import re
from html import escape

from profiler.render.document import (
    Bar,
    Beside,
    Block,
    Bullets,
    Cell,
    Column,
    Facts,
    Gauge,
    Grid,
    Heading,
    Mark,
    Plot,
    Roomy,
    Slots,
    Statement,
    Tone,
    printable_blocks,
)
from profiler.render.numbers import percent, ratio
from profiler.report.vocabulary import BottleneckClass

_LABELS = {
    Tone.INCONCLUSIVE: "Inconclusive",
    Tone.REFUSED: "No verdict",
    Tone.THROTTLED: "Throttled",
    Tone.INCOMPLETE: "Incomplete",
}
_CLASSES = {kind.value for kind in BottleneckClass}
# A phone has room for so many columns. A wider table of few rows is stacked there, row under row with each title beside
# its value; one of many rows would go on for pages, and is scrolled.
_PHONE_COLUMNS = 4
_STACKED_ROWS = 6
_CODE = re.compile(r"`([^`]+)`")


def markup(blocks: list[Block]) -> str:
    """Blocks but plots and slots, which are figures. Each table is called what the heading before it says."""
    found, title = [], "Results"
    for block in printable_blocks(blocks):
        if isinstance(block, Heading) and block.text:
            title = block.text
        found.append(_markup(block, title))
    return "\n".join(text for text in found if text)


def _markup(block: Block, title: str) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level + 1}>{escape(text)}</h{level + 1}>" if text else ""
        case Statement(text, tone):
            label = f"<strong>{_LABELS[tone]}</strong> " if tone in _LABELS else ""
            return f'<p class="{tone.value}">{label}{_prose(text)}</p>'
        case Bullets():
            return _bullets(block)
        case Facts(facts):
            rows = (
                f"<div><dt>{escape(fact.label)}</dt><dd>{escape(fact.value)}"
                f"{f' <small>{escape(fact.note)}</small>' if fact.note else ''}</dd></div>"
                for fact in facts
            )
            return f'<dl class="facts">{"".join(rows)}</dl>'
        case Bar():
            return _bar(block)
        case Grid():
            return _grid(block, title)
        case Beside(left, right):
            return f'<div class="beside"><div>{markup(list(left))}</div><div>{markup(list(right))}</div></div>'
        case Roomy(inner):
            return markup(list(inner))
        case Plot() | Slots():
            return ""


def _prose(text: str) -> str:
    """Text whose `commands` stand in code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _bullets(bullets: Bullets) -> str:
    numbered = "{}" in bullets.mark
    items = (
        f"<li>{_prose(item)}{f' <code>{escape(command)}</code>' if command else ''}</li>"
        for item, command in bullets.with_commands()
    )
    name = "ol" if numbered else "ul"
    return f"<{name}>{''.join(items)}</{name}>"


def _bar(bar: Bar) -> str:
    whole = sum(segment.fraction for segment in bar.segments) or 1.0
    said = ", ".join(f"{segment.kind} {percent(segment.fraction / whole)}" for segment in bar.segments)
    pieces = (
        f'<span class="{class_name(segment.kind)}" style="flex-grow:{segment.fraction / whole:.4f}">'
        f"{f'<b>{escape(segment.kind)} {percent(segment.fraction / whole)}</b>' if segment.fraction > 0.15 else ''}"
        "</span>"
        for segment in bar.segments
    )
    return f'<div class="bar" role="img" aria-label="{escape(said)}">{"".join(pieces)}</div>'


def _grid(grid: Grid, title: str) -> str:
    places = [place for place in range(len(grid.columns)) if any(row[place] != "" for row in grid.rows)]
    stacks = len(places) > _PHONE_COLUMNS and len(grid.rows) <= _STACKED_ROWS
    head = "".join(_title(grid.columns[place]) for place in places)
    rows = [f"<tr>{''.join(_cell(row[place], grid, place, stacks) for place in places)}</tr>" for row in grid.rows]
    kind = ' class="stacks"' if stacks else ""
    foot = f"<tfoot>{rows.pop()}</tfoot>" if grid.total and rows else ""
    named = escape(title)
    return (
        f'<div class="scroll" role="region" aria-label="{named}"><table{kind}>'
        f'<caption class="unseen">{named}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody>{foot}</table></div>"
    )


def _title(column: Column) -> str:
    if not column.title:
        return '<th scope="col" aria-hidden="true"></th>'
    mark = f'<i class="{class_name(column.kind)}" aria-hidden="true"></i> ' if column.kind else ""
    return f'<th scope="col"{_numeric(column)}>{mark}{escape(column.title)}</th>'


def _cell(cell: Cell, grid: Grid, place: int, stacks: bool) -> str:
    column = grid.columns[place]
    label = f' data-label="{escape(column.title)}"' if stacks and column.title else ""
    match cell:
        case Mark(kind):
            return f'<td class="mark" aria-hidden="true"><i class="{class_name(kind)}"></i></td>'
        case Gauge():
            return f"<td{label}>{_gauge(cell)}</td>"
        case Bar():
            return f"<td{label}>{_bar(cell)}</td>"
        case str():
            first = next((n for n, each in enumerate(grid.columns) if each.title), 0)
            if place == first:
                return f'<th scope="row"{_numeric(column)}>{escape(cell)}</th>'
            return f"<td{_numeric(column)}{label}>{escape(cell)}</td>"


def _gauge(gauge: Gauge) -> str:
    low, high = (min(max(end, 0.0), 1.0) * 100 for end in (gauge.low, gauge.high))
    said = f"{ratio(gauge.value)} of 1, {ratio(gauge.low)} to {ratio(gauge.high)}"
    return (
        f'<span class="gauge" role="img" aria-label="{said}"><i style="width:{low:.1f}%"></i>'
        f'<u style="width:{max(high - low, 0):.1f}%"></u></span>'
    )


def _numeric(column: Column) -> str:
    return ' class="number"' if column.numeric else ""


def class_name(kind: str) -> str:
    """The class of page.css that gives a bottleneck's class its colour and pattern."""
    return f"c-{kind if kind in _CLASSES else 'unknown'}"
