"""For people: Rich, readable without colour and at any width from 60 columns up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from profiler.render.curve import plot_rows
from profiler.render.document import (
    Bar,
    Beside,
    Block,
    Bullets,
    Cell,
    Column,
    Fact,
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
from profiler.render.slot_picture import slot_rows

if TYPE_CHECKING:
    from profiler.report.kinds import Result

# Every class has a pattern of its own, so that the bar can be read without colour.
_PATTERNS = {"memory": "█", "compute": "▓", "io": "▞", "scheduling": "░", "unknown": "·"}
_COLOURS = {"memory": "blue", "compute": "green", "io": "yellow", "scheduling": "magenta", "unknown": "dim"}
_LABELS = {
    Tone.INCONCLUSIVE: ("INCONCLUSIVE", "bold yellow"),
    Tone.REFUSED: ("NO VERDICT", "bold red"),
    Tone.THROTTLED: ("THROTTLED", "bold red"),
    Tone.INCOMPLETE: ("INCOMPLETE", "bold red"),
}
_GAUGE_WIDTH = 20
_BAR_WIDTH = 24  # of a bar in a cell
_GAP = 2
# From this width on, what stands beside each other does so, and facts take two columns.
_WIDE = 140


def render(result: Result, console: Console) -> None:
    """Print a result of any kind to a console, at the width that it has."""
    from profiler.render.result_blocks import result_blocks  # of all kinds, which who has blocks need not import

    render_blocks(result_blocks(result), console)


def render_blocks(blocks: list[Block], console: Console) -> None:
    """Print blocks to a console."""
    for block in printable_blocks(blocks):
        console.print(_renderable(block, console.width))


def _renderable(block: Block, width: int) -> RenderableType:
    match block:
        case Heading("", _):
            return Text()
        case Heading(text, 1):
            return Group(Text(), Rule(Text(text, style="bold"), align="left", style="dim"))
        case Heading(text, _):
            return Group(Text(), Text(text, style="bold"))
        case Statement(text, tone):
            return _statement(text, tone)
        case Bullets():
            return _bullets(block)
        case Facts(facts):
            return _facts(facts, width)
        case Bar():
            return _bar(block, width)
        case Grid():
            return _grid(block, width)
        case Beside():
            return _beside(block, width)
        case Roomy(blocks):
            return Group(*(_renderable(inner, width) for inner in blocks if width >= _WIDE))
        case Plot():
            return _plot(block, width)
        case Slots():
            return Text("\n", no_wrap=True).join(Text(row) for row in slot_rows(block, width))


def _plot(plot: Plot, width: int) -> Text:
    rows = [
        Text.assemble(*((cell.text, _COLOURS.get(cell.kind, "dim")) for cell in row)) for row in plot_rows(plot, width)
    ]
    return Text("\n", no_wrap=True).join(rows)


def _statement(text: str, tone: Tone) -> Text:
    if tone in _LABELS:
        label, style = _LABELS[tone]
        return Text.assemble((f"{label}  ", style), text)
    return Text(text, style={Tone.ANSWER: "bold", Tone.FAINT: "dim"}.get(tone, ""))


def _bullets(bullets: Bullets) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for place, (item, command) in enumerate(bullets.with_commands(), start=1):
        text = Text.assemble(item, (f"\n{command}" if command else "", "cyan"))
        table.add_row(Text(bullets.mark.format(place)), text)
    return table


def _facts(facts: tuple[Fact, ...], width: int) -> Table:
    table = Table.grid(padding=(0, _GAP))
    across = 2 if width >= _WIDE and len(facts) > 4 else 1
    for _ in range(across):
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
    texts = [
        (Text(fact.label), Text.assemble(fact.value, (f"  {fact.note}" if fact.note else "", "dim"))) for fact in facts
    ]
    down = -(-len(texts) // across)
    for line in range(down):
        table.add_row(*(cell for fact in texts[line::down] for cell in fact))
    return table


def _bar(bar: Bar, width: int) -> Text:
    whole = sum(segment.fraction for segment in bar.segments)
    text, drawn, passed = Text(no_wrap=True), 0, 0.0
    for segment in bar.segments:
        passed += segment.fraction / whole
        end = round(passed * width)
        text.append(_PATTERNS[segment.kind] * (end - drawn), style=_COLOURS[segment.kind])
        drawn = end
    return text


def _beside(block: Beside, width: int) -> RenderableType:
    half = (width - 2 * _GAP) // 2
    if width < _WIDE:
        return Group(*(_renderable(inner, width) for inner in (*block.left, *block.right)))
    table = Table.grid(padding=(0, 2 * _GAP, 0, 0))
    table.add_column(width=half)
    table.add_column(width=half)
    left, right = ([_renderable(inner, half) for inner in side] for side in (block.left, block.right))
    table.add_row(Group(*left), Group(*right))
    return table


def _grid(grid: Grid, width: int) -> Table:
    natural = [_natural_width(grid, place) for place in range(len(grid.columns))]
    least = [_least_width(column, width) for column, width in zip(grid.columns, natural, strict=True)]
    places = _columns_that_fit(grid, least, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim underline")
    for place, column_width in zip(places, _widths(natural, least, places, width), strict=True):
        column = grid.columns[place]
        table.add_column(
            _title(column),
            justify="right" if column.numeric else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
            width=column_width,
        )
    for number, row in enumerate(grid.rows, start=1):
        total = grid.total and number == len(grid.rows)
        table.add_row(*(_cell(row[place]) for place in places), style="bold" if total else "")
    return table


def _columns_that_fit(grid: Grid, least: list[int], width: int) -> list[int]:
    """The columns to show: while they are too wide together, the one with the largest `drop` goes."""
    # A column that says nothing in any row takes no room.
    places = [place for place in range(len(grid.columns)) if any(row[place] != "" for row in grid.rows)]
    while sum(least[place] + _GAP for place in places) - _GAP > width:
        droppable = [place for place in places if grid.columns[place].drop]
        if not droppable:
            break
        places.remove(max(droppable, key=lambda place: grid.columns[place].drop))
    return places


def _widths(natural: list[int], least: list[int], places: list[int], width: int) -> list[int]:
    """Each column as wide as its widest cell; the flexible ones give way, the widest first, until all fit."""
    widths = [natural[place] for place in places]
    excess = sum(width + _GAP for width in widths) - _GAP - width
    while excess > 0:
        spare = {n: widths[n] - least[place] for n, place in enumerate(places)}
        widest = max((n for n in spare if spare[n] > 0), key=lambda n: widths[n], default=None)
        if widest is None:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


def _least_width(column: Column, natural: int) -> int:
    return min(natural, max(column.shortest, len(column.title))) if column.flexible else natural


def _natural_width(grid: Grid, place: int) -> int:
    return max(_title(grid.columns[place]).cell_len, *(_cell(row[place]).cell_len for row in grid.rows), 1)


def _title(column: Column) -> Text:
    if not column.kind:
        return Text(column.title)
    return Text.assemble((_PATTERNS[column.kind], _COLOURS[column.kind]), f" {column.title}")


def _cell(cell: Cell) -> Text:
    match cell:
        case Bar():
            return _bar(cell, _BAR_WIDTH)
        case Mark(kind):
            return Text(_PATTERNS.get(kind, "") * 2, style=_COLOURS.get(kind, ""))
        case Gauge():
            return _gauge(cell)
        case str():
            return Text(cell, style=_COLOURS.get(cell, ""))


def _gauge(gauge: Gauge) -> Text:
    """Full up to the lower end of the interval, dotted up to its upper end."""
    low, high = (round(min(max(end, 0.0), 1.0) * _GAUGE_WIDTH) for end in (gauge.low, gauge.high))
    return Text.assemble(("█" * low, "cyan"), ("▒" * (high - low), "cyan"), ("·" * (_GAUGE_WIDTH - high), "dim"))
