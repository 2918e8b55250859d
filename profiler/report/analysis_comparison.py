"""What `analyze A --against B` answers: what changed from the baseline B to A. docs/report.md has all fields.

Times are those of the whole traces, in integer nanoseconds and exact: the changes of the parts sum to that of the span,
those of the operations to that of the busy time. Changes are A less B.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from profiler.report.analysis import Family, PartName
from profiler.report.json_text import json_text, schema_of
from profiler.report.source import Sources
from profiler.report.vocabulary import BottleneckClass

COMPARISON_SCHEMA_VERSION = "1.0"


class MatchedBy(StrEnum):
    """What tells that work of both traces is the same work."""

    OPERATION = "operation"  # the operation that launched it
    KERNEL = "kernel"  # the name of the kernel or copy


class Basis(StrEnum):
    """What is held against what."""

    SPAN = "span"  # the whole of each trace
    STEP = "step"  # the same, over the number of its steps


class Side(Struct, frozen=True, kw_only=True):
    """One of the two: all ranks of it, times summed over them."""

    ranks: list[str]
    devices: list[str]
    held_back_by: list[BottleneckClass]
    clear: int  # so many of its verdicts are clear; what holds the others back is what leads there
    span_ns: int
    busy_ns: int
    idle_ns: int
    kernel_ns: int
    kernels: int
    steps: int | None = None  # of its only phase; None where it has none or several
    sources: Sources = field(default_factory=dict)


class PartChange(Struct, frozen=True, kw_only=True):
    """One part of the span."""

    part: PartName
    class_: BottleneckClass | None = field(name="class")
    before_ns: int
    after_ns: int
    change_ns: int


class FamilyChange(Struct, frozen=True, kw_only=True):
    """The kernels of one family, their exclusive time."""

    family: Family
    before_kernels: int
    after_kernels: int
    before_ns: int
    after_ns: int
    change_ns: int


class OperationChange(Struct, frozen=True, kw_only=True):
    """Work that was matched, its exclusive time; calls of 0 on one side where only the other has it."""

    name: str
    matched_by: MatchedBy
    before_kernels: list[str]
    after_kernels: list[str]
    before_calls: int
    after_calls: int
    before_ns: int
    after_ns: int
    change_ns: int
    may_be_renamed: bool = False


class StepChange(Struct, frozen=True, kw_only=True):
    """One phase that both have: how many steps, and the median of those that another follows at once."""

    phase: str
    before_steps: int
    after_steps: int
    before_ns: int
    after_ns: int
    change_ns: int


class AnalysisComparison(Struct, frozen=True, kw_only=True):
    """The whole answer; `before` is the baseline."""

    kind: str = "analyze-comparison"
    schema_version: str = COMPARISON_SCHEMA_VERSION
    tool_version: str
    basis: Basis
    before: Side
    after: Side
    change_ns: int
    parts: list[PartChange]
    families: list[FamilyChange]
    operations: list[OperationChange]
    steps: list[StepChange]
    notes: list[str]


def encode_comparison(answer: AnalysisComparison) -> bytes:
    """The answer as JSON, indented by two spaces, with a newline at its end."""
    return json_text(answer)


def comparison_schema() -> dict[str, Any]:
    """The JSON Schema of an answer."""
    return schema_of(AnalysisComparison)
