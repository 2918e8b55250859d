"""What a trace's device waited for: the critical path, and what of the host cost it idle time."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from profiler.report.part_name import PartName
from profiler.report.source import Sources


class PathKind(StrEnum):
    """What an instant of the critical path was spent on."""

    KERNEL = "kernel"
    COLLECTIVE = "collective"
    COPY = "copy"  # memsets, too
    HOST = "host"
    SYNC = "sync"  # from the end of what a blocked call waited for until it returned
    LAUNCH = "launch"  # from the launch to the start on the device, and between queued activities
    OTHER_STREAM = "other_stream"  # from the end of what an event waited for to the start
    UNKNOWN = "unknown"


class PathTime(Struct, frozen=True, kw_only=True):
    """The time of the critical path that was spent in one way, in so many segments."""

    kind: PathKind
    ns: int
    fraction: float
    segments: int


class PathGroup(Struct, frozen=True, kw_only=True):
    """What of the critical path is alike: `count` segments of one kernel, or calls of one operation of the host.

    `within` are the operations around the longest segment, `frames` the Python functions, both the innermost first.
    """

    kind: PathKind
    name: str
    ns: int
    fraction: float
    count: int
    within: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)


class CriticalPath(Struct, frozen=True, kw_only=True):
    """What each instant of the span waited for: `kinds` sum to the span, `top` are the groups with the most time."""

    segments: int
    kinds: list[PathTime]
    top: list[PathGroup]


class HostWorkKind(StrEnum):
    """What the host's work was recorded as."""

    OPERATION = "operation"
    CALL = "call"  # of the runtime, outside any operation
    RANGE = "range"
    PYTHON = "python"
    NONE = "none"  # between what was recorded


class HostOperation(Struct, frozen=True, kw_only=True):
    """All calls of one operation of the host, and the time that the device was idle while it was the innermost.

    `host_ns` is the time under its calls, `longest_ns` that of the longest. `within` are the operations around the call
    that cost the most, `frames` the Python functions, both the innermost first.
    """

    name: str
    kind: HostWorkKind
    calls: int
    host_ns: int | None
    longest_ns: int | None
    idle_ns: int
    idle_fraction: float
    cause: PartName
    within: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    sources: Sources = field(default_factory=dict)
