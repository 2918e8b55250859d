"""The table of a phase's kernels that sorts: its first rows as HTML, all of them for the script."""

from __future__ import annotations

from html import escape
from typing import Any

from msgspec import Struct

from profiler.printable import printable
from profiler.render.html.markup import class_name
from profiler.render.numbers import MISSING, count, percent, size

# So many stand in the page as it is; the script brings the others when they are asked for.
FIRST_ROWS = 40
_COLUMNS = (
    ("name", "kernel", False),
    ("calls", "calls", True),
    ("ms", "ms", True),
    ("fraction", "of the step", True),
    ("limiter", "limited by", False),
    ("dram_ratio", "DRAM", True),
    ("tensor_ratio", "tensor", True),
    ("bytes", "bytes", True),
    ("for", "for", False),
)


class KernelTable(Struct, frozen=True):
    """Columns as `kernel_columns` gives them."""

    columns: dict[str, Any]
    phase: str


def kernel_table(table: KernelTable, number: int) -> str:
    """The table; page.js sorts the one whose `data-kernels` is the `number` of its data."""
    rows = len(table.columns["ms"])
    head = "".join(
        f'<th scope="col"{" class=number" if numeric else ""}{_SORTED if name == "ms" else ""}>'
        f'<button type="button" data-column="{name}">{title}</button></th>'
        for name, title, numeric in _COLUMNS
    )
    body = "".join(_row(table.columns, row) for row in range(min(rows, FIRST_ROWS)))
    more = (
        f'<button type="button" class="more" hidden>Show all {count(rows)} kinds</button>' if rows > FIRST_ROWS else ""
    )
    title = escape(printable(f"Kernels of {table.phase}"))
    return (
        f'<div class="scroll" role="region" aria-label="{title}">'
        f'<table class="kernels" data-kernels="{number}"><caption class="unseen">{title}, the slowest first; '
        "the buttons in the head sort.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}"
    )


_MORE = '<button type="button" class="more" hidden>Show all {} kinds</button>'
_SORTED = ' aria-sort="descending"'


def _row(columns: dict[str, Any], row: int) -> str:
    def text(name: str) -> str:
        return escape(printable(columns["texts"][columns[name][row]]))

    def shown(name: str, form: Any) -> str:
        value = columns[name][row]
        return MISSING if value is None else form(value)

    kind = class_name(columns["texts"][columns["class"][row]])
    cells = (
        count(columns["calls"][row]),
        f"{columns['ms'][row]:.3f}",
        percent(columns["fraction"][row]),
    )
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    ratios = "".join(
        f'<td class="number">{shown(name, form)}</td>'
        for name, form in (("dram_ratio", percent), ("tensor_ratio", percent), ("bytes", size))
    )
    return (
        f'<tr><th scope="row" title="{text("full")}">{text("name")}</th>{numbers}'
        f'<td><i class="{kind}" aria-hidden="true"></i> {text("limiter")}</td>{ratios}<td>{text("for")}</td></tr>'
    )
