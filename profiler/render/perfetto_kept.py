"""A result for Perfetto without the trace that it is of: the steps of a profile, the requests of a serving loop."""

from __future__ import annotations

from profiler.errors import UnreadableError, UsageError
from profiler.render.perfetto import PerfettoFile
from profiler.report.analysis import Analysis
from profiler.report.endpoint import Endpoint
from profiler.report.kinds import Result
from profiler.report.records import Report
from profiler.report.simulation import Simulation

_WITH_TRACE = "--trace with the one that was judged"


def write_kept(out: PerfettoFile, result: Result) -> None:
    """Write what the result keeps of times.

    Raises `UsageError` for one that keeps none, or only with its trace, `UnreadableError` where this one has none.
    """
    # Who draws the one need not import what the other is made of.
    match result:
        case Report():
            from profiler.render.perfetto_steps import kept_steps, write_steps

            placed = kept_steps(result)
            if not placed:
                raise UnreadableError("the report keeps no step of a phase", _WITH_TRACE)
            write_steps(out, result, placed)
        case Simulation():
            from profiler.render.perfetto_requests import write_policy

            for policy in result.policies:
                write_policy(out, policy)
        case Endpoint():
            from profiler.render.perfetto_requests import write_load

            write_load(out, result)
        case Analysis():
            raise UsageError("an analysis keeps no events of its trace", _WITH_TRACE)
        case _:
            raise UsageError(
                f"what `bottleneck {result.kind}` kept has no times to draw",
                "show what profile, simulate or endpoint kept",
            )
