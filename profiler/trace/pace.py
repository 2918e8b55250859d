"""A timeline as it would be on a machine that was so much faster or slower at that moment."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from profiler.trace.timeline import DeviceEvents, Frames, HostCalls, Ints, Operations, Ranges, Timeline

_Rows = TypeVar("_Rows", DeviceEvents, HostCalls, Operations, Ranges, Frames)


def at_pace(timeline: Timeline, origin_ns: int, ratio: float) -> Timeline:
    """All of it taking `ratio` times as long, seen from `origin_ns`, which stays where it is."""
    if ratio == 1.0:
        return timeline

    def moved(instants: Ints) -> Ints:
        later: Ints = origin_ns + np.rint((instants - origin_ns) * ratio).astype(np.int64)
        return later

    def rows(events: _Rows) -> _Rows:
        return replace(events, start_ns=moved(events.start_ns), end_ns=moved(events.end_ns))

    return replace(
        timeline,
        device=rows(timeline.device),
        host=rows(timeline.host),
        operations=rows(timeline.operations),
        ranges=rows(timeline.ranges),
        frames=rows(timeline.frames),
        overhead=moved(timeline.overhead),
    )
