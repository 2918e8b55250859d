"""A phase's time over the speed of one resource: what faster hardware would bring, and until when."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from profiler.report.source import Sources
from profiler.report.vocabulary import BottleneckClass, Resource


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
