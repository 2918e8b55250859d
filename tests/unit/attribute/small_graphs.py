"""Dependency graphs of a few rows, in words."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from profiler.attribute.replay import ActivityCosts, Calibration, Replayed, replay
from profiler.report.vocabulary import Resource
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity

AS_TRACED = Calibration()


class HostCall(Struct, frozen=True):
    """One call of the host. `waits_for` are positions of activities."""

    gap: float = 0.0
    input: float = 0.0
    takes: float = 0.0
    kind: str = "launch"
    waits_for: Sequence[int] = ()
    wake: float = 0.0
    thread: int = 0


class Work(Struct, frozen=True):
    """One activity: what it needs of each resource beside its fixed cost. `launched_by` is the position of a call."""

    launched_by: int
    needs: dict[Resource, float] = field(default_factory=dict)
    fixed: float = 0.0
    stream: int = 7
    delay: float = 0.0
    stream_gap: float = 0.0
    held_by: Sequence[int] = ()
    activity: Activity = Activity.KERNEL


def graph_of(
    calls: Sequence[HostCall], works: Sequence[Work], tail: Sequence[float] = (0.0,)
) -> tuple[DependencyGraph, ActivityCosts]:
    """The graph and its costs; times are microseconds."""
    resources = sorted({resource for work in works for resource in work.needs}) or [Resource.DRAM]
    needs = {resource: [work.needs.get(resource, 0.0) for work in works] for resource in resources}
    costs = ActivityCosts.of([work.fixed for work in works], needs)
    graph = DependencyGraph(
        thread=[call.thread for call in calls],
        call_start_us=[0.0] * len(calls),
        input_us=[call.input for call in calls],
        gap_us=[call.gap for call in calls],
        call_us=[call.takes for call in calls],
        wake_us=[call.wake for call in calls],
        kind=[call.kind for call in calls],
        waits_for=[list(call.waits_for) for call in calls],
        tail_us=list(tail),
        launched_by=[work.launched_by for work in works],
        stream=[work.stream for work in works],
        start_us=[0.0] * len(works),
        duration_us=costs.durations_us({}).tolist(),
        activity=[int(work.activity) for work in works],
        source_row=list(range(len(works))),
        issue_delay_us=[work.delay for work in works],
        stream_gap_us=[work.stream_gap for work in works],
        held_by=[list(work.held_by) for work in works],
        wall_us=0.0,
    )
    return graph, costs


def period_us(
    step: tuple[DependencyGraph, ActivityCosts],
    speeds: dict[Resource, float] | None = None,
    calibration: Calibration = AS_TRACED,
) -> float:
    return run(step, speeds, calibration).period_us


def run(
    step: tuple[DependencyGraph, ActivityCosts],
    speeds: dict[Resource, float] | None = None,
    calibration: Calibration = AS_TRACED,
) -> Replayed:
    return replay(*step, calibration, speeds)


def launching(count: int, host: float, kernel: float) -> tuple[DependencyGraph, ActivityCosts]:
    """A host that launches a kernel every `host` microseconds, kernels that wait for memory for `kernel`."""
    return graph_of(
        [HostCall(gap=host) for _ in range(count)],
        [Work(launched_by=call, needs={Resource.DRAM: kernel}) for call in range(count)],
    )
