"""Where the wall time went: exclusive pieces by class and cause that sum to the wall time.

A sweep line over the device: an instant under k kernels gives each 1/k; a host copy counts where no kernel runs, a
collective where neither does. What is left is idle time, and each gap is laid at the door of what ended it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict

import numpy as np

from profiler.attribute.replay import Replayed
from profiler.report.records import Part
from profiler.report.vocabulary import Cause, Tier
from profiler.trace.distinct import values
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity

# Kernels, and copies within the device, which are memory work, come before host copies, these before collectives.
_PRIORITY = {
    Activity.KERNEL: 0,
    Activity.D2D: 0,
    Activity.MEMSET: 0,
    Activity.H2D: 1,
    Activity.D2H: 1,
    Activity.P2P: 1,
    Activity.COLLECTIVE: 2,
}
_PRIORITIES = np.array([_PRIORITY[kind] for kind in Activity], np.int64)


def exclusive_us(replayed: Replayed, activities: list[int]) -> np.ndarray:
    """Microseconds of wall time that each device row has for itself. Their sum is the device's busy time."""
    own = np.zeros(len(activities))
    start, end = np.array(replayed.start_us), np.array(replayed.end_us)
    edges = values(np.concatenate([start, end]))
    free = np.diff(edges)  # of each piece between neighbouring edges, what nobody has yet
    priority = _PRIORITIES[np.array(activities, np.int64)]
    for place in range(_PRIORITIES.max() + 1):
        rows = np.flatnonzero((priority == place) & (end > start))
        if not len(rows):
            continue
        first, last = np.searchsorted(edges, start[rows]), np.searchsorted(edges, end[rows])
        change = np.bincount(first, minlength=len(edges)) - np.bincount(last, minlength=len(edges))
        running = np.cumsum(change)[:-1]
        before = np.concatenate([[0.0], np.cumsum(np.where(running > 0, free / np.maximum(running, 1), 0.0))])
        own[rows] = before[last] - before[first]
        free[running > 0] = 0.0
    return own


def idle_us(graph: DependencyGraph, replayed: Replayed) -> dict[Cause, float]:
    """Microseconds of idle time by cause."""
    waiting = _WaitingHost(graph, replayed)
    found: dict[Cause, float] = defaultdict(float)
    order = np.argsort(replayed.start_us, kind="stable")
    busy_until = np.maximum.accumulate(np.append(0.0, np.array(replayed.end_us)[order]))
    for place in np.flatnonzero(np.array(replayed.start_us)[order] > busy_until[:-1]).tolist():
        row, begin = int(order[place]), float(busy_until[place])
        end = replayed.start_us[row]
        issued = begin
        if replayed.bound_by[row] == "launch" and graph.launched_by[row] >= 0:
            issued = min(max(replayed.issued_us[row], begin), end)
        found[Cause.SCHEDULING_LAUNCH_GAP] += end - issued
        waiting.blame(begin, issued, found)
    done = float(busy_until[-1])
    waiting.blame(done, max(replayed.period_us, done), found)
    return {cause: microseconds for cause, microseconds in found.items() if microseconds > 0}


class _WaitingHost:
    """When the host does no work of its own: stretches from `begin` to `end`, blocked since then, and the cause."""

    def __init__(self, graph: DependencyGraph, replayed: Replayed) -> None:
        waits = [*_waiting_calls(graph, replayed)]
        order = sorted(range(len(waits)), key=lambda number: waits[number][0])
        self._waits = [(number, *waits[number]) for number in order]
        self._begins = [waits[number][0] for number in order]
        self._latest = np.maximum.accumulate([waits[number][2] for number in order]).tolist() if waits else []

    def blame(self, begin: float, end: float, found: dict[Cause, float]) -> None:
        """A gap in which the device waited for the host: blocked when the gap began, staging a copy, or at work."""
        if end <= begin:
            return
        host = end - begin
        near = self._waits[bisect_right(self._latest, begin) : bisect_left(self._begins, end)]
        for _, call_begin, blocked_since, call_end, cause in sorted(near):
            inside = min(call_end, end) - max(call_begin, begin)
            if inside > 0 and (cause is not Cause.SCHEDULING_SYNC or blocked_since <= begin):
                found[cause] += min(inside, host)
                host -= min(inside, host)
        found[Cause.SCHEDULING_HOST] += host


def _waiting_calls(graph: DependencyGraph, replayed: Replayed) -> list[tuple[float, float, float, Cause]]:
    """When the host does no work of its own: begin, since when it is blocked, end, and the cause."""
    found = [(begin, begin, end, Cause.IO_INPUT) for begin, end in replayed.input_us]
    for call, waited in enumerate(graph.waits_for):
        if not waited:
            continue
        end = replayed.call_end_us[call]
        cause = Cause.SCHEDULING_SYNC
        if graph.kind[call] == "copy":
            # The host stages pageable memory: the bus has nothing to do yet, but it is the copy that takes the time.
            cause = Cause.IO_D2H if graph.activity[waited[0]] == Activity.D2H else Cause.IO_H2D
        found.append((replayed.call_start_us[call], end - replayed.blocked_us[call], end, cause))
    return found


def split(
    graph: DependencyGraph,
    replayed: Replayed,
    causes: list[Cause],
    tiers: list[Tier],
    *,
    uncertainty_ms: float | None = None,
) -> list[Part]:
    """The parts of one replayed step, largest first. They sum to `replayed.period_us`.

    `causes` and `tiers` are those of the device rows; `uncertainty_ms` is the half-width of the clean wall time's
    interval, which the idle parts carry, because idle time is what is left of the wall time.
    """
    total: dict[Cause, float] = defaultdict(float)
    tier: dict[Cause, Tier] = {}
    for own, cause, its_tier in zip(exclusive_us(replayed, graph.activity).tolist(), causes, tiers, strict=True):
        total[cause] += own
        tier.setdefault(cause, its_tier)
    idle = idle_us(graph, replayed)
    for cause, microseconds in idle.items():
        total[cause] += microseconds
        tier[cause] = Tier.TIMELINE
    idle_sum = sum(idle.values())

    def interval(cause: Cause, ms: float) -> tuple[float | None, float | None]:
        if uncertainty_ms is None or cause not in idle or idle_sum <= 0:
            return None, None
        half = uncertainty_ms * idle[cause] / idle_sum
        return ms - half, ms + half

    found = []
    for cause, microseconds in sorted(total.items(), key=lambda item: -item[1]):
        if microseconds <= 0:
            continue
        ms = microseconds / 1e3
        low, high = interval(cause, ms)
        found.append(
            Part(
                class_=cause.bottleneck_class,
                cause=cause,
                ms=ms,
                fraction=microseconds / replayed.period_us,
                tier=tier[cause],
                low_ms=low,
                high_ms=high,
            )
        )
    return found
