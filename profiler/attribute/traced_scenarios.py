"""The readings of a trace without clean times: what its kernels wait for, how much the tracer slowed the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from profiler.attribute.activities import RESOURCES, FactColumns, Limited, limit
from profiler.attribute.calibration import Calibrated
from profiler.attribute.replay import GRAPH_LAUNCH, Calibration, Floats
from profiler.attribute.scenarios import UNKNOWN_AS_MEMORY, as_limited_by, kernel_readings, unknown_as_memory
from profiler.attribute.shares import Scenario, class_shares, inside_window, share_table
from profiler.attribute.verdict import ClassShares, judge
from profiler.report.evidence import Peaks
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, VerdictState
from profiler.trace.graph import DependencyGraph

AS_TRACED = "as traced"
SLOWED = "tracing slowed the host a lot"
UNTRACED_LAUNCHES = "graphs are launched as without a tracer"

# Untraced over traced time of the host, and of the gaps between queued kernels, where tracing cost the most that was
# seen: an eager decode step took 84 ms traced with shapes and 27 ms untraced; gaps of a captured one 0.9 and 0.2 ms.
_MOST_SLOWED = 0.25
# The same of the one call that launches a graph, within which the tracer records every kernel: that of a captured
# decode step took 3.5 ms traced and 0.035 ms untraced.
_GRAPH_LAUNCH_SCALE = 0.01
_AS_IT_STANDS = Calibrated(Calibration(), host_known=True, plausible=True)
_LAUNCHED_FAST = Calibrated(Calibration(graph_launch_scale=_GRAPH_LAUNCH_SCALE), host_known=True, plausible=True)
_HOST_GUESSED = Calibrated(
    Calibration(host_scale=_MOST_SLOWED, gap_scale=_MOST_SLOWED, graph_launch_scale=_GRAPH_LAUNCH_SCALE / _MOST_SLOWED),
    host_known=False,
    plausible=True,
)


def traced_limits(facts: FactColumns, peaks: Peaks) -> Limited:
    """What limits each row. Of a special function near the bandwidth nobody knows, unless instructions were counted.

    It may issue as well as wait: Bessel's i0e ran at 0.93 of the bandwidth on an H100, and hardly faster with 1.4 times
    that bandwidth.
    """
    limited = limit(facts, peaks)
    in_doubt = facts.flags(lambda kernel: kernel.is_special_function and kernel.issue_active_ratio is None)
    in_doubt &= limited.limited_by(Resource.DRAM)
    if not in_doubt.any():
        return limited
    issuing = as_limited_by(Resource.ISSUE, limited, facts, peaks, in_doubt)
    return replace(
        issuing,
        limiter=np.where(in_doubt, RESOURCES.index(Resource.ISSUE), limited.limiter),
        causes=[
            Cause.COMPUTE_ISSUE if is_special else cause
            for is_special, cause in zip(in_doubt.tolist(), limited.causes, strict=True)
        ],
        known=(np.array(limited.known, np.bool_) & ~in_doubt).tolist(),
    )


def traced_scenarios(graph: DependencyGraph, limited: Limited, facts: FactColumns, peaks: Peaks) -> list[Scenario]:
    """The scenarios, that in which the tracer did nothing first."""
    readings = kernel_readings(facts, peaks, limited)
    found = [Scenario(AS_TRACED, graph, limited.costs, _AS_IT_STANDS)]
    found += [Scenario(label, graph, reading.costs, _AS_IT_STANDS) for label, reading in readings]
    if GRAPH_LAUNCH in graph.kind:
        found.append(Scenario(UNTRACED_LAUNCHES, graph, limited.costs, _LAUNCHED_FAST))
        for label, reading in readings:
            if label == UNKNOWN_AS_MEMORY:
                found.append(Scenario(f"{UNTRACED_LAUNCHES}, {label}", graph, reading.costs, _LAUNCHED_FAST))
    return [*found, Scenario(SLOWED, graph, limited.costs, _HOST_GUESSED)]


def hinges_on_unknown(
    graph: DependencyGraph, limited: Limited, facts: FactColumns, peaks: Peaks, inside_ratio: Floats
) -> bool:
    """Whether another class leads where unknown kernels wait for memory; `inside_ratio` as in `inside_window`.

    Launches of graphs are known to be faster without a tracer, so that is asked for both of their speeds.
    """
    speeds = [_AS_IT_STANDS, _LAUNCHED_FAST] if GRAPH_LAUNCH in graph.kind else [_AS_IT_STANDS]
    readings = ((AS_TRACED, limited), (UNKNOWN_AS_MEMORY, unknown_as_memory(limited, facts, peaks)))
    asked = [Scenario(label, graph, reading.costs, speed) for label, reading in readings for speed in speeds]
    leaders = [leader(shares) for shares in class_shares(share_table(inside_window(asked, inside_ratio)))]
    return leaders[: len(speeds)] != leaders[len(speeds) :]


def tracer_doubt(scenarios: Sequence[Scenario], by_class: Sequence[ClassShares]) -> str | None:
    """What hinges on how much the tracer slowed the host; None where the verdict is as unclear if it did nothing."""
    labelled = list(zip((scenario.label for scenario in scenarios), by_class, strict=True))
    as_traced = [shares for label, shares in labelled if not label.startswith((SLOWED, UNTRACED_LAUNCHES))]
    if judge(as_traced, [], []).state is not VerdictState.CLEAR:
        return None
    first, slowed = leader(by_class[0]), by_class[-1]
    times = f"a host {1 / _MOST_SLOWED:.0f} times as fast"
    other = leader(slowed)
    then = f"its share is {slowed[first]:.2f}" if other is first else f"{other} leads"
    return f"how much of that the tracer did cannot be told (with {times}, {then})"


def leader(shares: ClassShares) -> BottleneckClass:
    """The class with the largest share."""
    return max(shares, key=lambda klass: shares[klass])
