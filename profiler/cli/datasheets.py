"""`--device`: a device by the name of its datasheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from profiler.catalogue.datasheet import Datasheet


def datasheet(name: str, beside: str | None = None) -> Datasheet:
    """The datasheet of that name; of several forms of one card, the one built like the device `beside`.

    Raises `UsageError` with those that could be meant.
    """
    from profiler.catalogue.datasheet import datasheet_names, find_datasheet, find_variant, similar_names
    from profiler.errors import UsageError

    found = find_datasheet(name) or (find_variant(name, beside) if beside is not None else None)
    if found is None:
        similar = similar_names(name)
        meant = " or ".join(similar) if similar else f"one of {', '.join(datasheet_names())}"
        what = f"there is no datasheet of a device called {name}" if name.strip() else "--device names no device"
        raise UsageError(what, f"--device with {meant}")
    return found
