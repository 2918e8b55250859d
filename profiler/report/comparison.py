"""What `bottleneck compare` answers: what changed from some results to others, and which cause. docs/report.md has all.

Times are milliseconds. The parts of a side sum to its time, so their changes sum to that of the time. Changes are after
less before, ratios after over before, less 1: -0.1 takes a tenth less time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from profiler.report.json_text import json_text, schema_of
from profiler.report.source import Sources
from profiler.report.vocabulary import BottleneckClass

CHANGE_SCHEMA_VERSION = "1.1"


class ChangeState(StrEnum):
    """What the interval of a change says."""

    CHANGED = "changed"  # it leaves no change out, and reaches beyond the margin
    UNCHANGED = "unchanged"  # it lies within the margin
    INCONCLUSIVE = "inconclusive"  # neither, or there is none


class Basis(StrEnum):
    """What an interval rests on."""

    TURNS = "turns"  # pairs of results that were taken in turn
    RESULTS = "results"  # how far results of one side differ
    REPEATS = "repeats"  # the repeats within each result, and how far processes were seen to differ
    EXACT = "exact"  # what is calculated differs by nothing else
    NONE = "none"  # a single measurement


class Side(StrEnum):
    """Where a part of the time is spent."""

    HOST = "host"
    DEVICE = "device"


class CauseChange(Struct, frozen=True, kw_only=True):
    """One part of the time. `name` is a cause, or what a part is called in results of this kind."""

    name: str
    class_: BottleneckClass | None = field(name="class")
    side: Side | None
    before_ms: float
    after_ms: float
    change_ms: float
    low_ms: float | None
    high_ms: float | None


class WorkChange(Struct, frozen=True, kw_only=True):
    """One kernel, operation or family beneath: calls and time of one step, null on the side that does not show it."""

    name: str
    module: str | None
    before_calls: float | None
    after_calls: float | None
    before_ms: float | None
    after_ms: float | None
    change_ms: float | None


class Leading(Struct, frozen=True):
    """The part that changed most in the way of the whole, and at least how probable it is that no other did more."""

    name: str
    probability: float


class TimeChange(Struct, frozen=True, kw_only=True):
    """One time that both sides have: of a phase, a request, a policy. `low_ratio`..`high_ratio` is its interval.

    `clock` is the field that it is read from. `because` are the parts that make the change, surely and most of all
    first; empty where it cannot be told. `leading` is the likely one, sure or not (since 1.1).
    `before_values_ms` are the results one by one.
    """

    name: str
    clock: str
    before_ms: float
    after_ms: float
    change_ms: float
    change_ratio: float
    low_ratio: float | None
    high_ratio: float | None
    basis: Basis
    state: ChangeState
    before_values_ms: list[float]
    after_values_ms: list[float]
    because: list[str]
    leading: Leading | None = None
    parts: list[CauseChange]
    host_change_ms: float | None
    device_change_ms: float | None
    work: list[WorkChange]
    sources: Sources = field(default_factory=dict)


class ComparedSide(Struct, frozen=True, kw_only=True):
    """One of the two: the results in the order of their time, and what holds them back (null: no verdict)."""

    names: list[str]
    created_at: list[str | None]
    held_back_by: list[BottleneckClass | None]


class Unlike(Struct, frozen=True, kw_only=True):
    """Something in which the sides differ; `prevents` a comparison of like with like, or may be the cause."""

    what: str
    before: str
    after: str
    prevents: bool


class Unread(Struct, frozen=True, kw_only=True):
    """A file that held no result, and why."""

    name: str
    reason: str


class Comparison(Struct, frozen=True, kw_only=True):
    """The whole answer. `results` is the kind of what was compared, `confidence` that of all intervals together."""

    kind: str = "compare"
    schema_version: str = CHANGE_SCHEMA_VERSION
    tool_version: str
    results: str
    confidence: float
    margin_ratio: float
    before: ComparedSide
    after: ComparedSide
    unlike: list[Unlike]
    state: ChangeState
    times: list[TimeChange]
    notes: list[str]
    unread: list[Unread]


def encode_change(answer: Comparison) -> bytes:
    """The answer as JSON, indented by two spaces, with a newline at its end."""
    return json_text(answer)


def change_schema() -> dict[str, Any]:
    """The JSON Schema of an answer."""
    return schema_of(Comparison)
