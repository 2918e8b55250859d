"""What a trace's phases are called, and what told them."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class PhaseKind(StrEnum):
    """What a model does in a step."""

    PREFILL = "prefill"
    DECODE = "decode"
    MIXED = "mixed"  # some sequences prefill while others decode
    UNKNOWN = "unknown"  # nothing in the trace tells


class FoundBy(StrEnum):
    """What told where steps begin and end."""

    ENGINE = "engine"  # an inference engine's annotations
    ANNOTATION = "annotation"  # ranges of the profiler or the user
    KERNEL_PATTERN = "kernel_pattern"  # the device repeats itself


class KindFrom(StrEnum):
    """What told prefill from decode."""

    ANNOTATION = "annotation"
    SHAPES = "shapes"
    KERNEL_NAMES = "kernel_names"
    ORDER = "order"  # one step of one sort before many of another that attend as often


class StepTime(Struct, frozen=True, kw_only=True):
    """How long steps take: the median of `steps`, and where it lies with 95% probability."""

    median_ns: int
    low_ns: int
    high_ns: int
    steps: int


class StepRun(Struct, frozen=True, kw_only=True):
    """Steps in a row, by their numbers in the trace, from 0; both ends belong to it."""

    first: int
    last: int


class Window(Struct, frozen=True, kw_only=True):
    """The part of a trace that was looked at, from the trace's first start on a device."""

    from_ns: int
    to_ns: int
