"""The times of many results, one after the other, with the points where a new level begins."""

from __future__ import annotations

from typing import Any

from profiler.render.html.figure import Figure, rounded
from profiler.render.numbers import count
from profiler.render.words import listed
from profiler.report.history import HistoryGroup, TimeHistory

_MOST_RESULTS = 1_000


def levels(group: HistoryGroup) -> Figure | None:
    """One plot for each time of a group; None where there is nothing to compare."""
    if not group.times or len(group.entries) < 2:
        return None
    first = max(len(group.entries) - _MOST_RESULTS, 0)
    latest = f", the latest {count(_MOST_RESULTS)} of them" if first else ""
    points = sum(len(time.change_points) for time in group.times)
    begun = f"{count(points)} new level{'' if points == 1 else 's'}" if points else "No new level"
    return Figure(
        "levels",
        "Over time",
        f"{listed(time.name for time in group.times)} of {count(len(group.entries))} results{latest}, in the order of "
        f"their dates. {begun}: dashed lines stand where one begins. Each mark has its own interval.",
        {
            "names": [entry.name for entry in group.entries[first:]],
            "dates": [(entry.created_at or "")[:16].replace("T", " ") for entry in group.entries[first:]],
            "times": [_time(time, first) for time in group.times],
        },
    )


def _time(time: TimeHistory, first: int) -> dict[str, Any]:
    def numbers(values: list[float | None]) -> list[float | None]:
        return [None if value is None else rounded([value], 6)[0] for value in values[first:]]

    return {
        "name": time.name,
        "ms": numbers(time.ms),
        "low": numbers(time.low_ms),
        "high": numbers(time.high_ms),
        "begins": [point.at - first for point in time.change_points if point.at >= first],
    }
