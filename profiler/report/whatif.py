"""What `bottleneck whatif` answers: a report's phases at other speeds. docs/report.md explains every field."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from profiler.report.json_text import json_text, schema_of
from profiler.report.records import ReportWarning, Share
from profiler.report.source import Sources
from profiler.report.vocabulary import BottleneckClass, Resource, Tier, VerdictState

WHATIF_SCHEMA_VERSION = "1.0"


class Knob(StrEnum):
    """What can be asked to go faster: the speed of one resource, or of two that come together in a device."""

    MEMORY = "memory"
    COMPUTE = "compute"
    HOST = "host"
    PCIE = "pcie"
    LATENCY = "latency"

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The resources that it turns."""
        return _RESOURCES[self]

    @property
    def bottleneck_class(self) -> BottleneckClass:
        """The class that these belong to."""
        return _RESOURCES[self][0].bottleneck_class


_RESOURCES = {
    Knob.MEMORY: (Resource.DRAM,),
    Knob.COMPUTE: (Resource.TENSOR, Resource.ISSUE),
    Knob.HOST: (Resource.HOST,),
    Knob.PCIE: (Resource.PCIE,),
    Knob.LATENCY: (Resource.LATENCY,),
}


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


class CurvePoint(Struct, frozen=True, kw_only=True):
    """The phase with one knob at one speed: `share` is what a further small gain in that knob would bring there."""

    speed: float
    ms: float
    share: float


class Crossing(Struct, frozen=True, kw_only=True):
    """The speed at which another class becomes the bottleneck; `low` and `high` over the readings of the evidence.

    `high` is null where in some reading no other class takes over within the curve.
    """

    speed: float
    low: float
    high: float | None
    class_: BottleneckClass = field(name="class")


class Curve(Struct, frozen=True, kw_only=True):
    """A phase's time over the speed of one knob, all else as measured.

    `takes_over` is where its class stops being the bottleneck, `stops_helping` the speed from which on less than a
    tenth of a further gain arrives: the knob's share falls below 0.1. `limit_ms` is the time with the knob infinitely
    fast.
    """

    knob: Knob
    points: list[CurvePoint]
    limit_ms: float
    takes_over: Crossing | None
    stops_helping: float | None
    sources: Sources = field(default_factory=dict)


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
