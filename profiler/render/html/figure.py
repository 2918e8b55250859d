"""A figure of the page: what it shows in words, and the data from which the browser draws it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Figure(Struct, frozen=True):
    """`kind` names the function of page.js that draws `data`; `description` says what can be seen in it.

    All text in `data` is text for people, and never markup: the page puts it into text nodes only.
    """

    kind: str
    title: str
    description: str
    data: dict[str, Any]


def rounded(values: list[float], digits: int = 4) -> list[float]:
    """Numbers short enough for a page: so many significant digits as a picture can show."""
    return [float(f"{value:.{digits}g}") for value in values]
