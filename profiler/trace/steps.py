"""Cuts a timeline into its steps, and chooses the step to look at."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from profiler.trace import intervals
from profiler.trace.selection import Rows, kept, renumbering
from profiler.trace.timeline import STEP_PREFIX, Ints, Timeline

# Our own `bottleneck.step:decode#3`, torch's `ProfilerStep#3`, and the plain `step 3` of hand-written loops.
_STEP = re.compile(rf"(?:{re.escape(STEP_PREFIX)}(?P<name>.+)#|ProfilerStep#|step )(?P<index>\d+)")


class Step(Struct, frozen=True):
    """One iteration of a phase.

    The host's window is that of the annotation; the device's reaches from the first start to the last end of what
    was launched within, and is None where nothing was.
    """

    name: str
    index: int
    thread: int
    start_ns: int
    end_ns: int
    device_start_ns: int | None
    device_end_ns: int | None

    @property
    def finish_ns(self) -> int:
        """When host and device are both through."""
        return self.end_ns if self.device_end_ns is None else max(self.end_ns, self.device_end_ns)

    @property
    def wall_ns(self) -> int:
        """From the host's start until both are through."""
        return self.finish_ns - self.start_ns


def steps_of(timeline: Timeline) -> list[Step]:
    """The annotated steps in the order of time; an annotation within another step is no step of its own.

    Where there are steps of ours, others are not: torch's own step then holds them all.
    """
    steps: list[Step] = []
    ranges = timeline.ranges
    issued_ns = _issued(timeline)
    matches = [_STEP.fullmatch(timeline.names[name]) for name in ranges.name.tolist()]
    ours = any(match is not None and match["name"] is not None for match in matches)
    for row, match in enumerate(matches):
        start, end = int(ranges.start_ns[row]), int(ranges.end_ns[row])
        if match is None or (ours and match["name"] is None) or (steps and start < steps[-1].end_ns):
            continue
        mine = (issued_ns >= start) & (issued_ns < end)
        steps.append(
            Step(
                name=match["name"] or "step",
                index=int(match["index"]),
                thread=int(ranges.thread[row]),
                start_ns=start,
                end_ns=end,
                device_start_ns=int(timeline.device.start_ns[mine].min()) if mine.any() else None,
                device_end_ns=int(timeline.device.end_ns[mine].max()) if mine.any() else None,
            )
        )
    return steps


def cut(timeline: Timeline, step: Step) -> Timeline:
    """Only the rows of one step, renumbered; columns that pointed outside it become -1.

    A device row belongs to the step whose host window holds the start of its launch call, which is the graph launch
    for the kernels of a graph. One without a launch record belongs where it started itself. Host rows belong where
    they start. Names and threads keep their numbers.
    """
    host = _within(timeline.host.start_ns, step)
    operations = _within(timeline.operations.start_ns, step)
    ranges = _within(timeline.ranges.start_ns, step)
    new_call, new_operation, new_range = renumbering(host), renumbering(operations), renumbering(ranges)
    overhead = timeline.overhead
    device = kept(timeline.device, _within(_issued(timeline), step))
    kept_host, kept_operations = kept(timeline.host, host), kept(timeline.operations, operations)
    kept_ranges = kept(timeline.ranges, ranges)
    return replace(
        timeline,
        device=replace(device, call=new_call[device.call], operation=new_operation[device.operation]),
        host=replace(kept_host, operation=new_operation[kept_host.operation]),
        operations=replace(
            kept_operations,
            parent=new_operation[kept_operations.parent],
            module=new_range[kept_operations.module],
        ),
        ranges=replace(kept_ranges, parent=new_range[kept_ranges.parent]),
        overhead=overhead[(overhead[:, 0] < step.end_ns) & (overhead[:, 1] > step.start_ns)],
    )


def representative(steps: Sequence[Step], overhead: Ints) -> Step:
    """The step to analyse: the one of median wall time among those that measured nothing but the work.

    Set aside, as long as others remain: steps while which the tracer itself held the host (`Timeline.overhead`), and
    the first when there are more than two. Raises `ValueError` when there is no step.
    """
    if not steps:
        raise ValueError("there is no step to choose from")
    candidates = list(steps[1:]) if len(steps) > 2 else list(steps)
    undisturbed = [step for step in candidates if not len(intervals.clip(overhead, step.start_ns, step.end_ns))]
    by_wall = sorted(undisturbed or candidates, key=lambda step: step.wall_ns)
    return by_wall[(len(by_wall) - 1) // 2]


def _issued(timeline: Timeline) -> Ints:
    """When the host asked for each device row; its own start where no launch record says."""
    call = timeline.device.call
    launched = np.append(timeline.host.start_ns, 0)[call]
    return np.where(call >= 0, launched, timeline.device.start_ns)


def _within(instants: Ints, step: Step) -> Rows:
    return (instants >= step.start_ns) & (instants < step.end_ns)
