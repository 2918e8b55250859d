"""All that the judgement of one step rests on."""

from __future__ import annotations

from msgspec import Struct

from profiler.attribute.activities import ActivityFacts
from profiler.report.evidence import CleanTimes, Peaks
from profiler.trace.graph import DependencyGraph


class StepEvidence(Struct, frozen=True):
    """One traced step. `facts` are those of the device rows of `graph`, in its order."""

    graph: DependencyGraph
    facts: list[ActivityFacts]
    clean: CleanTimes
    peaks: Peaks
