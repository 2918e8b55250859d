"""What `bottleneck whatif` answers: a report's phases at other speeds. docs/report.md explains every field."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from profiler.report.json_text import json_text, schema_of
from profiler.report.records import ReportWarning, Share
from profiler.report.source import Sources
from profiler.report.speed_curve import Curve as Curve
from profiler.report.speed_curve import Knob as Knob
from profiler.report.vocabulary import BottleneckClass, Resource, Tier, VerdictState

WHATIF_SCHEMA_VERSION = "1.0"


class Estimate(Struct, frozen=True, kw_only=True):
    """A value and its interval; `low` and `high` are null where the clean pass of the report has no interval."""

    value: float
    low: float | None
    high: float | None


class Change(Struct, frozen=True, kw_only=True):
    """A quantity as it was measured, and as it is predicted at the speeds that were asked for."""

    measured: Estimate
    predicted: Estimate


class SpeedChange(Struct, frozen=True, kw_only=True):
    """How much faster a resource is taken to be; for another device, from which numbers that follows.

    `measured` is the ceiling on the device of the report, `expected` what follows for the other one.
    """

    resource: Resource
    factor: float
    tier: Tier | None = None
    ceiling: str | None = None
    unit: str | None = None
    measured: float | None = None
    expected: float | None = None
    note: str | None = None


class Leader(Struct, frozen=True, kw_only=True):
    """The bottleneck: the class with the largest share, and the resource that leads in it."""

    class_: BottleneckClass = field(name="class")
    resource: Resource
    share: float
    low: float
    high: float
    state: VerdictState


class PhasePrediction(Struct, frozen=True, kw_only=True):
    """One phase at the speeds that were asked for."""

    name: str
    time_ms: Change
    speedup: Estimate
    tokens_per_s: Change | None
    finite_share: float | None
    before: Leader
    after: Leader
    shares_after: list[Share]
    curves: list[Curve]
    sources: Sources = field(default_factory=dict)


class RequestPrediction(Struct, frozen=True, kw_only=True):
    """A request: one prefill, then a decode step for every further token. Without queue and without tokenising."""

    new_tokens: int
    ttft_ms: Change
    tpot_ms: Change
    e2e_ms: Change
    tokens_per_s: Change
    speedup: Estimate


class NotPredicted(Struct, frozen=True, kw_only=True):
    """A phase or the request that cannot be predicted, and why."""

    name: str
    reason: str


class WhatIf(Struct, frozen=True, kw_only=True):
    """The whole answer."""

    kind: str = "whatif"
    schema_version: str = WHATIF_SCHEMA_VERSION
    tool_version: str
    model: str | None
    device: str
    report_created_at: str | None
    other_device: str | None
    speeds: list[SpeedChange]
    phases: list[PhasePrediction]
    request: RequestPrediction | None
    not_predicted: list[NotPredicted]
    doubts: list[str]
    warnings: list[ReportWarning]


def encode_whatif(answer: WhatIf) -> bytes:
    """The answer as JSON, indented by two spaces, with a newline at its end."""
    return json_text(answer)


def whatif_schema() -> dict[str, Any]:
    """The JSON Schema of an answer."""
    return schema_of(WhatIf)
