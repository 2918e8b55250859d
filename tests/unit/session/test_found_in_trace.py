"""Where in a trace lies what a report says, also where the report's step is at another pace than the trace's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from profiler.errors import UnreadableError
from profiler.render.spans import Span
from profiler.report.records import Phase, Report
from profiler.report.store import load_report
from profiler.session.found_in_trace import found_phases

OWN = Path(__file__).parents[2] / "data" / "own"
TRACE = (OWN / "smollm135m-graph-trace.json.gz").read_bytes()
REPORT = load_report(OWN / "smollm135m-graph.json.gz")
SLOWER = 1.25


def slower(phase: Phase) -> Phase:
    """The phase as a machine would have it that is so much slower in the clean pass than just before the trace."""
    step = phase.timeline
    assert step is not None
    device = replace(
        step.device,
        start_us=[us * SLOWER for us in step.device.start_us],
        duration_us=[us * SLOWER for us in step.device.duration_us],
    )
    wall_us = round(step.traced_wall_us * 1e3 * SLOWER) / 1e3
    return replace(phase, timeline=replace(step, device=device, traced_wall_us=wall_us, pace_ratio=SLOWER))


def paced(report: Report) -> Report:
    return replace(report, phases=[slower(phase) if phase.timeline else phase for phase in report.phases])


def test_parts_lie_where_they_were_traced_whatever_the_pace_of_the_report() -> None:
    plain, other = (found_phases(report, "trace", TRACE) for report in (REPORT, paced(REPORT)))
    assert plain.parts.keys() == other.parts.keys()
    for cause, spans in plain.parts.items():
        assert abs(total_ns(spans) - total_ns(other.parts[cause])) < 5_000


def total_ns(spans: Iterable[Span]) -> int:
    return sum(end - begin for begin, end in spans)


def test_a_trace_whose_steps_took_other_times_is_not_that_of_the_report() -> None:
    phases = [
        replace(phase, timeline=replace(phase.timeline, pace_ratio=SLOWER)) if phase.timeline else phase
        for phase in REPORT.phases
    ]
    with pytest.raises(UnreadableError, match="is not the trace of this report"):
        found_phases(replace(REPORT, phases=phases), "trace", TRACE)
