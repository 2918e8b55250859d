"""A section as text: in a terminal, and in Markdown."""

from __future__ import annotations

from benchmarks.truth.section import Claim, Section, Table

_WORD = {True: "holds", False: "FAILS", None: "not tested"}


def word(claim: Claim) -> str:
    """Whether a claim holds, in a word."""
    return _WORD[claim.holds]


def summary(section: Section) -> str:
    """The section in aligned columns, its claims last: they are what one looks for."""
    lines = [f"\n{section.title}"]
    for table in section.tables:
        lines += ["", table.heading, *_aligned(table)]
    lines += ["", *(f"  {word(claim):<10}  {claim.text}: {claim.measured}" for claim in section.claims)]
    return "\n".join([*lines, *(f"  note: {note}" for note in section.notes)])


def _aligned(table: Table) -> list[str]:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def markdown_table(table: Table) -> list[str]:
    """The lines of a Markdown table."""
    lines = [table.columns, ("---",) * len(table.columns), *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines]
