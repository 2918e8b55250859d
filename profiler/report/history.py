"""What `bottleneck history` answers: many results over time. docs/report.md has every field.

Results are grouped by what makes them comparable; in a group they stand in the order of their time, those without a
date last.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from profiler.report.comparison import Basis, ChangeState, Unread
from profiler.report.json_text import json_text, schema_of
from profiler.report.source import Sources
from profiler.report.vocabulary import BottleneckClass

HISTORY_SCHEMA_VERSION = "1.0"


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """One result; `versions` are those that differ within the group."""

    name: str
    created_at: str | None
    held_back_by: BottleneckClass | None
    versions: dict[str, str]


class ChangePoint(Struct, frozen=True, kw_only=True):
    """Where the level of a time changed: entry `at` is the first of the new one.

    The times are the means of both levels, the interval and the causes those of a comparison of their entries.
    """

    at: int
    before_ms: float
    after_ms: float
    change_ratio: float
    low_ratio: float | None
    high_ratio: float | None
    basis: Basis
    state: ChangeState
    because: list[str]


class TimeHistory(Struct, frozen=True, kw_only=True):
    """One time of all entries that have it: null where one lacks it. `low_ms`..`high_ms` is each one's own interval."""

    name: str
    clock: str
    ms: list[float | None]
    low_ms: list[float | None]
    high_ms: list[float | None]
    change_points: list[ChangePoint]
    sources: Sources = field(default_factory=dict)


class HistoryGroup(Struct, frozen=True, kw_only=True):
    """Results that can be compared: `alike` is what they share."""

    results: str
    alike: dict[str, str]
    entries: list[HistoryEntry]
    times: list[TimeHistory]


class History(Struct, frozen=True, kw_only=True):
    """The whole answer."""

    kind: str = "history"
    schema_version: str = HISTORY_SCHEMA_VERSION
    tool_version: str
    confidence: float
    groups: list[HistoryGroup]
    notes: list[str]
    unread: list[Unread]


def encode_history(answer: History) -> bytes:
    """The answer as JSON, indented by two spaces, with a newline at its end."""
    return json_text(answer)


def history_schema() -> dict[str, Any]:
    """The JSON Schema of an answer."""
    return schema_of(History)
