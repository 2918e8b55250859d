"""A recorded trace, and how fast its machine was at that moment: the middle one of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from profiler.trace.kineto import read_kineto
from profiler.trace.steps import representative, steps_of


@dataclass(frozen=True, slots=True)
class PacedTrace:
    """A gzipped Chrome trace, and how many times as long an iteration took in the clean pass as just before it."""

    trace: bytes
    clean_ratio: float = 1.0


def middle_trace(traces: Sequence[PacedTrace]) -> PacedTrace:
    """Of traces of one phase, the one whose step to look at took the median time at the pace of the clean pass.

    Those without a step count as the longest. Raises `ValueError` where there is no trace.
    """
    if not traces:
        raise ValueError("there is no trace to choose from")
    return sorted(traces, key=_step_ns)[(len(traces) - 1) // 2] if len(traces) > 1 else traces[0]


def _step_ns(paced: PacedTrace) -> float:
    timeline = read_kineto(paced.trace)
    steps = steps_of(timeline)
    return representative(steps, timeline.overhead).wall_ns * paced.clean_ratio if steps else math.inf
