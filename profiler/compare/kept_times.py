"""The times of whatever a verb kept, and when that was."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from profiler.compare.profiled_times import profiled_times
from profiler.compare.result_times import ComparedResult
from profiler.compare.served_times import endpoint_times, simulated_times
from profiler.compare.traced_times import traced_times
from profiler.errors import UsageError
from profiler.report.analysis import Analysis
from profiler.report.endpoint import Endpoint
from profiler.report.kinds import Result
from profiler.report.records import Report
from profiler.report.simulation import Simulation

_LAST = datetime.max.replace(tzinfo=UTC)


def times_of(name: str, result: Result, full_speed: Collection[str]) -> ComparedResult:
    """The times of a result, of phases in `full_speed` at the host's full speed. Raises `UsageError` if it has none."""
    match result:
        case Report():
            return profiled_times(result, full_speed)
        case Analysis():
            return traced_times(result)
        case Simulation():
            return simulated_times(result)
        case Endpoint():
            return endpoint_times(result)
    raise UsageError(
        f"{name} is what `bottleneck {result.kind}` answered, which has no times to compare",
        "compare what profile, analyze, simulate or endpoint kept with -o",
    )


def moment(result: ComparedResult) -> datetime | None:
    """When it was measured; None where it does not say."""
    try:
        found = datetime.fromisoformat(result.created_at or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def in_order(side: list[tuple[str, ComparedResult]]) -> list[tuple[str, ComparedResult]]:
    """By their time; those without one come last, as they were given."""
    return sorted(side, key=lambda named: moment(named[1]) or _LAST)
