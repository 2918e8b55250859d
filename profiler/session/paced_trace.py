"""A recorded trace, and how fast its machine was at that moment: the middle one of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from profiler.trace.cpu import with_cpu_activities
from profiler.trace.kineto import read_kineto
from profiler.trace.steps import cut, representative, steps_of


@dataclass(frozen=True, slots=True)
class PacedTrace:
    """A gzipped Chrome trace, and how many times as long an iteration took in the clean pass as just before it."""

    trace: bytes
    clean_ratio: float = 1.0


def middle_trace(traces: Sequence[PacedTrace]) -> PacedTrace:
    """Of traces of a CPU's phase, the one whose step computed for the median time at the pace of the clean pass.

    By what its operations took: the rest of its wall time is in good part the tracer's. Those without a step count as
    the longest. Raises `ValueError` where there is no trace.
    """
    if not traces:
        raise ValueError("there is no trace to choose from")
    return sorted(traces, key=_computing_ns)[(len(traces) - 1) // 2]


def _computing_ns(paced: PacedTrace) -> float:
    timeline = with_cpu_activities(read_kineto(paced.trace))
    steps = steps_of(timeline)
    if not steps:
        return math.inf
    computed = cut(timeline, representative(steps, timeline.overhead)).device
    return float((computed.end_ns - computed.start_ns).sum()) * paced.clean_ratio
