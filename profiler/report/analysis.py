"""What `bottleneck analyze` answers: traces from anywhere, accounted for and judged. docs/report.md has every field.

Times are integer nanoseconds, and exact: the parts of a rank sum to its span.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from profiler.report.collectives import CollectiveWaits
from profiler.report.json_text import json_text, schema_of
from profiler.report.part_name import PartName as PartName
from profiler.report.records import Share, Verdict
from profiler.report.roofline import KernelRoofline
from profiler.report.source import Sources
from profiler.report.trace_advice import TraceAdvice
from profiler.report.trace_phases import FoundBy, KindFrom, PhaseKind, StepRun, StepTime, Window
from profiler.report.trace_waits import CriticalPath, HostOperation
from profiler.report.vocabulary import BottleneckClass

ANALYSIS_SCHEMA_VERSION = "1.0"


class Family(StrEnum):
    """What kind of work a kernel does."""

    GEMM = "gemm"  # matrix products and convolutions
    ATTENTION = "attention"
    NORMALISATION = "normalisation"
    ELEMENTWISE = "elementwise"
    COPY_LIKE = "copy_like"  # moves elements and computes nothing: also copies and memsets within the device
    REDUCTION = "reduction"
    COLLECTIVE = "collective"
    OTHER = "other"


class TracePart(Struct, frozen=True, kw_only=True):
    """One exclusive piece of a rank's span."""

    part: PartName
    class_: BottleneckClass | None = field(name="class")
    ns: int
    fraction: float


class FamilyTime(Struct, frozen=True, kw_only=True):
    """The kernels of one family: `ns` is their exclusive time, `sum_ns` the sum of their durations."""

    family: Family
    ns: int
    sum_ns: int
    kernels: int


class StreamBusy(Struct, frozen=True, kw_only=True):
    """One stream: the time under any of its activities."""

    device: int
    stream: int
    busy_ns: int
    kernels: int
    copies: int


class Overlap(Struct, frozen=True, kw_only=True):
    """What ran at the same time as what; copies are those that leave the device."""

    compute_ns: int
    copy_ns: int
    exposed_copy_ns: int
    copy_compute_ns: int
    collective_ns: int
    exposed_collective_ns: int
    collective_compute_ns: int
    imbalance_ratio: float | None
    sources: Sources = field(default_factory=dict)


class IntegrityFinding(Struct, frozen=True, kw_only=True):
    """One flaw of a trace: `count` events `of` so many. `code` is stable; `message` says its effect."""

    code: str
    message: str
    effect: str
    count: int
    of: int


class PhaseAnalysis(Struct, frozen=True, kw_only=True):
    """All steps of one phase: `span_ns`, `busy_ns` and `idle_ns` are sums over them.

    Parts, shares and verdict are those of `judged`, steps that took the usual time; the parts sum to `judged_ns`.
    """

    name: str
    kind: PhaseKind
    kind_from: KindFrom | None
    found_by: FoundBy
    count: int
    steps: list[StepRun]
    span_ns: int
    busy_ns: int
    idle_ns: int
    step_ns: StepTime
    judged: StepRun
    judged_ns: int
    parts: list[TracePart]
    shares: list[Share]
    verdict: Verdict
    notes: list[str] = field(default_factory=list)
    sources: Sources = field(default_factory=dict)
    doubt: str | None = None  # what makes an inconclusive verdict so; null where two classes are too close to call
    sorts: int = 1


class RankAnalysis(Struct, frozen=True, kw_only=True):
    """One trace of one process, or one of the devices that it shows."""

    name: str
    device: str | None
    span_ns: int
    busy_ns: int
    idle_ns: int
    kernel_ns: int
    parts: list[TracePart]
    families: list[FamilyTime]
    streams: list[StreamBusy]
    overlap: Overlap
    integrity: list[IntegrityFinding]
    verdict: Verdict
    shares: list[Share]
    phases: list[PhaseAnalysis] = field(default_factory=list)
    window: Window | None = None  # null where all of the trace was looked at
    notes: list[str] = field(default_factory=list)
    sources: Sources = field(default_factory=dict)
    critical_path: CriticalPath | None = None
    host_operations: list[HostOperation] = field(default_factory=list)
    kernels: list[KernelRoofline] = field(default_factory=list)
    advice: list[TraceAdvice] = field(default_factory=list)
    doubt: str | None = None


class PartSpread(Struct, frozen=True, kw_only=True):
    """One part over all ranks; a rank without it counts as 0."""

    part: PartName
    ns: int
    least_ns: int
    median_ns: int
    most_ns: int


class Straggler(Struct, frozen=True, kw_only=True):
    """The rank that the others wait for."""

    name: str
    reason: str


class Job(Struct, frozen=True, kw_only=True):
    """All ranks together: sums over them, and how far they differ."""

    ranks: int
    span_ns: int
    busy_ns: int
    idle_ns: int
    kernel_ns: int
    parts: list[PartSpread]
    straggler: Straggler | None
    waits: CollectiveWaits | None = None
    separate: str | None = None  # why these are no ranks of one job; null where nothing tells that they are not
    notes: list[str] = field(default_factory=list)
    sources: Sources = field(default_factory=dict)


class Unreadable(Struct, frozen=True, kw_only=True):
    """An input that held no trace, and why."""

    name: str
    reason: str


class Analysis(Struct, frozen=True, kw_only=True):
    """The whole answer."""

    kind: str = "analyze"
    schema_version: str = ANALYSIS_SCHEMA_VERSION
    tool_version: str
    ranks: list[RankAnalysis]
    job: Job | None
    unreadable: list[Unreadable]
    complete: bool = True


def encode_analysis(answer: Analysis) -> bytes:
    """The answer as JSON, indented by two spaces, with a newline at its end."""
    return json_text(answer)


def analysis_schema() -> dict[str, Any]:
    """The JSON Schema of an answer."""
    return schema_of(Analysis)
