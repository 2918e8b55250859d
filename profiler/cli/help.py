"""How the help of every verb is laid out: what it does, examples, exit codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_EXAMPLE = "  "
_EXIT_CODES = (
    "[bold]Exit codes[/bold]: 0 done, also where there is no verdict; 1 failed; 2 what was typed cannot be meant; "
    "3 a budget does not hold; 4 this machine cannot do that; 130 interrupted."
)


def laid_out(text: str) -> str:
    """A verb's docstring as Rich shows it: prose flows, each example is a line, and exit codes come last.

    In a docstring prose is broken where the source is, and examples are indented paragraphs.
    """
    shown = ""
    for paragraph in text.strip().split("\n\n"):
        is_example = paragraph.startswith(_EXAMPLE)
        between = "" if not shown else "\n" if is_example else "\n\n"
        shown += between + (paragraph.rstrip() if is_example else " ".join(paragraph.split()))
    return f"{shown}\n\n{_EXIT_CODES}"


def without_types_of_switches(parameters: Iterable[Any]) -> list[Any]:
    """The same parameters; that a switch is a switch need not be said."""
    kept = list(parameters)
    for each in kept:
        if getattr(each, "is_flag", False) and each.metavar is None:
            each.metavar = ""
    return kept
