"""Where the wall time went: exclusive pieces by class and cause that sum to the wall time.

A sweep line over the device: an instant under k kernels gives each 1/k; a host copy counts where no kernel runs, a
collective where neither does. What is left is idle time, and each gap is laid at the door of what ended it.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from profiler.attribute.replay import Replayed
from profiler.report.records import Part
from profiler.report.vocabulary import Cause, Tier
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


def exclusive_us(replayed: Replayed, activities: list[int]) -> np.ndarray:
    """Microseconds of wall time that each device row has for itself. Their sum is the device's busy time."""
    own = np.zeros(len(activities))
    lasting = [row for row in range(len(activities)) if replayed.end_us[row] > replayed.start_us[row]]
    edges = [(replayed.start_us[row], 1, row) for row in lasting]
    edges += [(replayed.end_us[row], 0, row) for row in lasting]
    edges.sort()
    priority = [_PRIORITY[Activity(kind)] for kind in activities]
    running: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    before = 0.0
    for time, begins, row in edges:
        top = running[0] or running[1] or running[2]
        if top and time > before:
            piece = (time - before) / len(top)
            for other in top:
                own[other] += piece
        before = time
        if begins:
            running[priority[row]].add(row)
        else:
            running[priority[row]].discard(row)
    return own


def idle_us(graph: DependencyGraph, replayed: Replayed) -> dict[Cause, float]:
    """Microseconds of idle time by cause."""
    order = sorted(range(len(replayed.start_us)), key=lambda row: replayed.start_us[row])
    waiting = _waiting_calls(graph, replayed)
    found: dict[Cause, float] = defaultdict(float)
    busy_until = 0.0
    for row in order:
        begin, end = busy_until, replayed.start_us[row]
        busy_until = max(busy_until, replayed.end_us[row])
        if end <= begin:
            continue
        issued = begin
        if replayed.bound_by[row] == "launch" and graph.launched_by[row] >= 0:
            issued = min(max(replayed.issued_us[row], begin), end)
        found[Cause.SCHEDULING_LAUNCH_GAP] += end - issued
        _blame_host(waiting, begin, issued, found)
    _blame_host(waiting, busy_until, max(replayed.period_us, busy_until), found)
    return {cause: microseconds for cause, microseconds in found.items() if microseconds > 0}


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


def _blame_host(
    waiting: list[tuple[float, float, float, Cause]], begin: float, end: float, found: dict[Cause, float]
) -> None:
    """A gap in which the device waited for the host: blocked when the gap began, staging a copy, or at work."""
    if end <= begin:
        return
    host = end - begin
    for call_begin, blocked_since, call_end, cause in waiting:
        inside = min(call_end, end) - max(call_begin, begin)
        if inside > 0 and (cause is not Cause.SCHEDULING_SYNC or blocked_since <= begin):
            found[cause] += min(inside, host)
            host -= min(inside, host)
    found[Cause.SCHEDULING_HOST] += host


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
    for row, own in enumerate(exclusive_us(replayed, graph.activity)):
        total[causes[row]] += float(own)
        tier.setdefault(causes[row], tiers[row])
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
