"""One real result of every kind that a verb keeps, and the same with other text in it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from profiler.report.kinds import Result, load_result

DATA = Path(__file__).parent / "data"
PATHS = {
    "profile": DATA / "own/smollm135m-graph.json.gz",
    "endpoint-gpu": DATA
    / "served/transformers_h100.json.gz",  # benchmarks.served, eight at once, a few of its requests
    **{path.name.partition(".")[0]: path for path in sorted((DATA / "results").glob("*.json.gz"))},
}
# What says which kind of record it is, and of which version.
_ENVELOPE = ("kind", "schema_version")


@cache
def result(kind: str) -> Result:
    """The result of that kind."""
    return load_result(PATHS[kind])


def with_text(value: Any, change: Callable[[str, str], str]) -> Any:
    """The same record with every text of it changed; `change` is given where the text stands, and the text."""
    return _changed(value, type(value).__name__, change)


def _changed(value: Any, place: str, change: Callable[[str, str], str]) -> Any:
    match value:
        case Enum():
            return value
        case str():
            return change(place, value)
        case list():
            return [_changed(each, place, change) for each in value]
        case dict():
            return {key: _changed(each, place, change) for key, each in value.items()}
        case msgspec.Struct():
            names = value.__struct_fields__
            record = type(value).__name__
            changed = {
                name: _changed(getattr(value, name), f"{record}.{name}", change)
                for name in names
                if not (name in _ENVELOPE and place == record)
            }
            return msgspec.structs.replace(value, **changed)
    return value
