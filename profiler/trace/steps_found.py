"""Where a trace's steps begin and end, by whatever it has that tells."""

from __future__ import annotations

from profiler.report.trace_phases import FoundBy, PhaseKind
from profiler.trace.annotated_steps import annotated_steps
from profiler.trace.repeated_steps import repeated_steps
from profiler.trace.step_table import StepTable
from profiler.trace.timeline import Timeline


def find_steps(timeline: Timeline) -> StepTable | None:
    """The steps that ranges mark, else those that the device repeats; None where there are none.

    A single range that says nothing of what it holds, such as the profiler's only step, gives way to what repeats.
    """
    marked = annotated_steps(timeline) if len(timeline.ranges) else None
    if marked is not None and (len(marked) > 1 or _says_what(marked)):
        return marked
    return (repeated_steps(timeline) if len(timeline.device) else None) or marked


def _says_what(steps: StepTable) -> bool:
    return steps.found_by is FoundBy.ENGINE or steps.sorts[0].kind is not PhaseKind.UNKNOWN
