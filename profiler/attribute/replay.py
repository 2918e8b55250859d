"""Run a step's dependency graph again, with some resource at another speed.

An activity lasts its fixed cost plus the largest of what it needs of each resource (the roofline of one kernel with a
fixed cost in front). The host works, calls and blocks in the order of the trace. Nothing else moves: what ran on which
stream, and what waited for what, stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from profiler.report.vocabulary import Resource
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Call, Ints
from profiler.trace.waits import ends_last_before

Floats = NDArray[np.float64]

GRAPH_LAUNCH = Call.GRAPH_LAUNCH.name.lower()  # as a `DependencyGraph` names its kind


class ActivityCosts(Struct, frozen=True, eq=False):
    """Microseconds of each device row, shape (n,): `fixed + exposed + max(needs)` is its time.

    `needs_us` are what it takes of each resource while they work at once; `exposed_us` is time of the memory that
    nothing else hides, empty where none has any.
    """

    fixed_us: Floats
    needs_us: dict[Resource, Floats]
    exposed_us: Floats = field(default_factory=lambda: np.empty(0))

    @classmethod
    def of(
        cls,
        fixed_us: Sequence[float],
        needs_us: Mapping[Resource, Sequence[float]],
        exposed_us: Sequence[float] = (),
    ) -> ActivityCosts:
        """The costs of a few rows, or of a report's."""
        needs = {resource: np.array(column, np.float64) for resource, column in needs_us.items()}
        return cls(np.array(fixed_us, np.float64), needs, np.array(exposed_us, np.float64))

    def taken(self, rows: Ints) -> ActivityCosts:
        """These rows, in this order."""
        needs_us = {resource: column[rows] for resource, column in self.needs_us.items()}
        return ActivityCosts(
            self.fixed_us[rows], needs_us, self.exposed_us[rows] if len(self.exposed_us) else self.exposed_us
        )

    def part(self, ratio: Floats) -> ActivityCosts:
        """Of rows that count only in part, shape (n,), that part of their costs."""
        needs_us = {resource: column * ratio for resource, column in self.needs_us.items()}
        return ActivityCosts(
            self.fixed_us * ratio, needs_us, self.exposed_us * ratio if len(self.exposed_us) else self.exposed_us
        )

    def durations_us(self, speeds: Mapping[Resource, float]) -> Floats:
        """How long each row takes when resources run `speeds` times as fast."""
        times = self.fixed_us / speeds.get(Resource.LATENCY, 1.0)
        needs = [_at_speed(column, speeds.get(resource, 1.0)) for resource, column in self.needs_us.items()]
        if needs:
            times += reduce(np.maximum, needs)
        if len(self.exposed_us):
            times += self.exposed_us / speeds.get(Resource.DRAM, 1.0)
        return times

    def uses(self, resource: Resource) -> bool:
        """Whether any row takes time of this resource of the device."""
        needed = resource in self.needs_us and bool(self.needs_us[resource].any())
        return needed or (resource is Resource.DRAM and bool(self.exposed_us.any()))


def _at_speed(column: Floats, speed: float) -> Floats:
    """A column of needs at another speed; most are asked for at their own."""
    return column if speed == 1.0 else column / speed


class Calibration(Struct, frozen=True):
    """How the traced times must be scaled to be those of a run that nobody traced.

    Calls to the driver take `call_scale` times the `host_scale` of the work between them, and those that launch a graph
    `graph_launch_scale` times that.
    """

    host_scale: float = 1.0
    kernel_scale: float = 1.0
    gap_scale: float = 1.0
    input_scale: float = 1.0
    call_scale: float = 1.0
    graph_launch_scale: float = 1.0


class Replayed(Struct):
    """A step as it would have run. Times are microseconds from its start.

    `bound_by` says what an activity's start waited for: `launch`, `stream` or `event`.
    """

    period_us: float
    call_start_us: list[float] = field(default_factory=list)
    call_end_us: list[float] = field(default_factory=list)
    blocked_us: list[float] = field(default_factory=list)
    start_us: list[float] = field(default_factory=list)
    end_us: list[float] = field(default_factory=list)
    bound_by: list[str] = field(default_factory=list)
    issued_us: list[float] = field(default_factory=list)
    host_end_us: float = 0.0
    input_us: list[tuple[float, float]] = field(default_factory=list)  # begin and end of each wait for a data loader


def calls_us(graph: DependencyGraph, graph_launch_scale: float) -> Floats:
    """What each call takes of the host, shape (n,), with launches of graphs that take so many times as long."""
    as_traced = np.array(graph.call_us, np.float64)
    if graph_launch_scale == 1.0:
        return as_traced
    return np.where([kind == GRAPH_LAUNCH for kind in graph.kind], as_traced * graph_launch_scale, as_traced)


def queued_at(graph: DependencyGraph) -> Ints:
    """Of each device row the call with which it enters its stream, shape (n,); -1 before the first."""
    queued: Ints = np.maximum.accumulate(np.array(graph.launched_by, np.int64))
    return queued


class Overlaps(Struct, frozen=True, eq=False):
    """How rows of one stream overlap, shape (n,) each. Faster kernels overlap for less.

    `own_ratio` is how much of a row's own time lies before the end of what its stream ran before. One that was over
    before that end has none, but ran `within` that row (-1 for all others), beginning when `under_ratio` of that row's
    time was left: made faster, it is over earlier, not later.
    """

    own_ratio: Floats
    within: Ints
    under_ratio: Floats

    @classmethod
    def of(cls, graph: DependencyGraph) -> Overlaps:
        """As they were traced."""
        under_us = -np.minimum(np.array(graph.stream_gap_us, np.float64), 0.0)
        lasts_us = np.array(graph.duration_us, np.float64)
        own, within, under = np.zeros(len(lasts_us)), np.full(len(lasts_us), -1), np.zeros(len(lasts_us))
        np.divide(under_us, lasts_us, out=own, where=(lasts_us > 0) & (under_us <= lasts_us))
        inside = under_us > lasts_us
        if inside.any():
            ends = np.rint((np.array(graph.start_us) + lasts_us) * 1e3).astype(np.int64)
            within[inside] = ends_last_before(ends, np.array(graph.stream, np.int64))[inside]
            around_us = np.where(within >= 0, lasts_us[within], 0.0)
            np.divide(under_us, around_us, out=under, where=around_us > 0)
        return cls(own, within, np.minimum(under, 1.0))


def replay(
    graph: DependencyGraph,
    costs: ActivityCosts,
    calibration: Calibration,
    speeds: Mapping[Resource, float] | None = None,
) -> Replayed:
    """The step at other speeds: all traced times where `speeds` is empty and the calibration is 1."""
    speeds = speeds or {}
    host = calibration.host_scale / speeds.get(Resource.HOST, 1.0)
    calling = host * calibration.call_scale
    waiting = calibration.input_scale / speeds.get(Resource.DISK, 1.0)
    latency = calibration.gap_scale / speeds.get(Resource.LATENCY, 1.0)
    duration = (costs.durations_us(speeds) * calibration.kernel_scale).tolist()

    launches: list[list[int]] = [[] for _ in graph.thread]
    issues = [0.0] * (len(graph.thread) + 1)  # the last is of what nobody launched
    call_us = calls_us(graph, calibration.graph_launch_scale).tolist()
    result = Replayed(
        period_us=0.0,
        call_start_us=[0.0] * len(graph.thread),
        call_end_us=[0.0] * len(graph.thread),
        blocked_us=[0.0] * len(graph.thread),
        start_us=[0.0] * len(duration),
        end_us=[0.0] * len(duration),
        bound_by=["stream"] * len(duration),
        issued_us=[0.0] * len(duration),
    )
    stream_end: dict[int, float] = {}
    overlaps, lasts_us = Overlaps.of(graph), np.array(duration)
    overlap_us = overlaps.own_ratio * lasts_us + overlaps.under_ratio * np.append(lasts_us, 0.0)[overlaps.within]
    gaps, within = (np.maximum(graph.stream_gap_us, 0.0) * latency - overlap_us).tolist(), overlaps.within.tolist()
    # A judgement replays a step thousands of times: what the loop reads is looked up once.
    streams, delays, held_by, launched_by = graph.stream, graph.issue_delay_us, graph.held_by, graph.launched_by
    issued_us, start_us, end_us, bound_by = result.issued_us, result.start_us, result.end_us, result.bound_by

    def run(row: int) -> None:
        stream, delay, issued = streams[row], delays[row], issues[launched_by[row]]
        ready, bound = issued + delay * (latency if delay > 0 else calling), "launch"
        before = stream_end.get(stream)
        if before is not None:
            free = (before if within[row] < 0 else end_us[within[row]]) + gaps[row]
            if free >= ready:
                ready, bound = free, "stream"
        for other in held_by[row]:
            if end_us[other] >= ready:
                ready, bound = end_us[other], "event"
        if ready < 0.0:
            ready = 0.0
        issued_us[row], start_us[row], bound_by[row] = issued, ready, bound
        end = end_us[row] = ready + duration[row]
        stream_end[stream] = end if before is None or end > before else before

    for row, call in enumerate(queued_at(graph).tolist()):
        if call >= 0:
            launches[call].append(row)
        else:
            run(row)

    clock = [0.0] * len(graph.tail_us)
    for call, thread in enumerate(graph.thread):
        arrived = clock[thread] + graph.input_us[call] * waiting
        if arrived > clock[thread]:
            result.input_us.append((clock[thread], arrived))
        start = arrived + graph.gap_us[call] * host
        end = start + call_us[call] * calling
        issues[call] = end
        for row in launches[call]:
            run(row)
        waited = graph.waits_for[call]
        if waited:
            released = max(result.end_us[row] for row in waited)
            wake = graph.wake_us[call]
            freed = released + wake * (host if wake > 0 else calibration.kernel_scale)
            result.blocked_us[call] = max(freed - end, 0.0)
            end = max(end, freed)
        result.call_start_us[call], result.call_end_us[call] = start, end
        clock[thread] = end

    ends = [time + tail * host for time, tail in zip(clock, graph.tail_us, strict=True)]
    result.host_end_us = max(ends, default=0.0)
    result.period_us = max(result.host_end_us, max(result.end_us, default=0.0))
    return result
