"""For issues and pull requests: GitHub-flavoured Markdown."""

from __future__ import annotations

from profiler.render.curve import plot_rows
from profiler.render.document import (
    Bar,
    Beside,
    Block,
    Bullets,
    Cell,
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
from profiler.render.markup import code, escaped, fenced
from profiler.render.result_blocks import result_blocks
from profiler.render.slot_picture import slot_rows
from profiler.report.kinds import Result

_PLOT_WIDTH = 80
_LABELS = {
    Tone.ANSWER: "**{}**",
    Tone.INCONCLUSIVE: "**Inconclusive:** {}",
    Tone.REFUSED: "**No verdict:** {}",
    Tone.THROTTLED: "**Throttled:** {}",
    Tone.INCOMPLETE: "**Incomplete:** {}",
    Tone.FAINT: "_{}_",
    Tone.PLAIN: "{}",
}


def render(result: Result) -> str:
    """A result of any kind as Markdown."""
    return render_blocks(result_blocks(result))


def render_blocks(blocks: list[Block]) -> str:
    """Blocks as Markdown, one blank line between them."""
    blocks = printable_blocks(blocks)
    after = zip(blocks, [*blocks[1:], None], [*blocks[2:], None, None], strict=False)
    kept = [block for block, following, then in after if not _is_of_a_picture(block, following, then)]
    return "\n\n".join(text for block in kept if (text := _markdown(block))) + "\n"


def _is_of_a_picture(block: Block, following: Block | None, then: Block | None) -> bool:
    """Whether it is the heading of a bar alone, which is not drawn, and not that of a table below the bar as well."""
    if isinstance(then, Beside):
        then = then.left[0] if then.left else None
    return isinstance(block, Heading) and isinstance(following, Bar) and not isinstance(then, Grid)


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * (level + 1)} {escaped(text)}"
        case Statement(text, tone):
            return _LABELS[tone].format(escaped(text))
        case Bullets():
            told = enumerate(block.with_commands(), start=1)
            return "\n".join(_bullet(block.mark.format(n), item, command) for n, (item, command) in told)
        case Facts(facts):
            return "\n".join(
                f"- {escaped(fact.label)}: {escaped(fact.value)}{f' ({escaped(fact.note)})' if fact.note else ''}"
                for fact in facts
            )
        case Bar():
            return ""  # the table below it says the same
        case Grid():
            return _table(block)
        case Beside():
            return "\n\n".join(text for inner in (*block.left, *block.right) if (text := _markdown(inner)))
        case Roomy(inner):
            return "\n\n".join(text for block in inner if (text := _markdown(block)))
        case Plot():
            rows = ("".join(cell.text for cell in row).rstrip() for row in plot_rows(block, _PLOT_WIDTH))
            return fenced(list(rows))
        case Slots():
            return fenced(slot_rows(block, _PLOT_WIDTH))


def _bullet(mark: str, item: str, command: str) -> str:
    mark = mark if mark == "-" or mark[-1] == "." else f"- {escaped(mark)}"
    indent = " " * (len(mark) + 1)
    return f"{mark} {escaped(item)}" + (f"\n{indent}{code(command)}" if command else "")


def _table(grid: Grid) -> str:
    kept = [
        place
        for place in range(len(grid.columns))
        if any(isinstance(row[place], str) and row[place] != "" for row in grid.rows)
    ]
    columns = [grid.columns[place] for place in kept]
    lines = [
        [_cell(column.title) for column in columns],
        ["---:" if column.numeric else "---" for column in columns],
        *([_cell(row[place]) for place in kept] for row in grid.rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    match cell:
        case str():
            return " ".join(escaped(cell).split())
        case Gauge() | Mark() | Bar():
            return ""  # a picture of numbers that stand beside it
