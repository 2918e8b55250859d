"""Laws of the replay and of the parts, over random dependency graphs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from profiler.attribute.calibration import calibrate
from profiler.attribute.parts import exclusive_us, idle_us, split
from profiler.attribute.replay import ActivityCosts, Calibration, Overlaps
from profiler.attribute.shares import Scenario, share_table
from profiler.report.vocabulary import Cause, Resource, Tier
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, period_us, run

Step = tuple[DependencyGraph, ActivityCosts]
NEEDS = (Resource.DRAM, Resource.TENSOR, Resource.ISSUE, Resource.PCIE)
SPEEDS = (*NEEDS, Resource.HOST, Resource.LATENCY)
# Kernels and memory work, then copies that leave the device, then collectives.
_PLACE = {**dict.fromkeys(Activity, 1), Activity.KERNEL: 0, Activity.D2D: 0, Activity.MEMSET: 0, Activity.COLLECTIVE: 2}
microseconds = st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 3))
lasting = st.floats(0.5, 100, allow_nan=False).map(lambda value: round(value, 3))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Up to a dozen calls on two threads that launch, copy and block, on up to three streams with events between."""
    calls: list[HostCall] = []
    works: list[Work] = []
    for position in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["launch", "launch", "launch", "graph_launch", "copy", "sync"]))
        launched = {"sync": 0, "graph_launch": 3}.get(kind, 1)
        takes = draw(microseconds)
        mine = range(len(works), len(works) + launched)
        for _ in mine:
            works.append(
                Work(
                    launched_by=draw(st.sampled_from([position, position, position, -1, position // 2])),
                    needs=draw(st.dictionaries(st.sampled_from(NEEDS), microseconds, max_size=2)),
                    fixed=draw(lasting),
                    stream=draw(st.integers(7, 9)),
                    delay=draw(st.floats(-takes, 20, allow_nan=False)),
                    stream_gap=draw(st.one_of(microseconds, st.floats(-60, 0, allow_nan=False))),
                    held_by=draw(st.lists(st.integers(0, max(len(works) - 1, 0)), max_size=1)) if works else [],
                    activity=draw(st.sampled_from(Activity)) if kind == "copy" else Activity.KERNEL,
                )
            )
        blocks = kind in ("sync", "copy") and bool(works) and draw(st.booleans())
        waited = list(mine) if kind == "copy" else [len(works) - 1]
        calls.append(
            HostCall(
                gap=draw(microseconds),
                takes=takes,
                kind=kind,
                waits_for=waited if blocks else (),
                wake=draw(st.floats(-0.4, 20, allow_nan=False)) if blocks else 0.0,
                thread=draw(st.integers(0, 1)),
            )
        )
    return graph_of(calls, works, tail=[draw(lasting), draw(microseconds)])


@given(steps())
def test_parts_sum_to_the_replayed_period_and_none_is_negative(step: Step):
    replayed = run(step)
    causes = [Cause.MEMORY_ACTIVATIONS] * len(replayed.start_us)
    parts = split(step[0], replayed, causes, [Tier.ANALYTIC] * len(causes))
    assert sum(part.ms for part in parts) * 1e3 == pytest.approx(replayed.period_us, rel=1e-9)
    assert sum(part.fraction for part in parts) == pytest.approx(1)
    assert all(part.ms > 0 for part in parts)


@given(steps())
def test_an_activity_has_its_part_of_each_instant_at_which_it_is_among_the_first(step: Step):
    replayed, activities = run(step), step[0].activity
    spans = list(zip(replayed.start_us, replayed.end_us, activities, strict=True))
    own = [0.0] * len(spans)
    edges = sorted({time for begin, end, _ in spans for time in (begin, end)})
    for begin, end in pairwise(edges):
        running = [row for row, span in enumerate(spans) if span[0] <= begin and end <= span[1]]
        first = min((_PLACE[activities[row]] for row in running), default=None)
        shared = [row for row in running if _PLACE[activities[row]] == first]
        for row in shared:
            own[row] += (end - begin) / len(shared)
    assert exclusive_us(replayed, activities).tolist() == pytest.approx(own, rel=1e-9, abs=1e-9)


@given(steps())
def test_busy_and_idle_time_are_never_negative(step: Step):
    replayed = run(step)
    assert (exclusive_us(replayed, step[0].activity) >= 0).all()
    assert all(microseconds > 0 for microseconds in idle_us(step[0], replayed).values())


@given(steps(), st.sampled_from(SPEEDS), st.floats(1, 10), st.floats(1, 10))
def test_no_step_is_slower_for_a_faster_resource(step: Step, resource: Resource, speed: float, more: float):
    slower, faster = period_us(step, {resource: speed}), period_us(step, {resource: speed * more})
    assert faster <= slower * (1 + 1e-9)


@given(steps(), st.dictionaries(st.sampled_from(SPEEDS), st.floats(1, 10)))
def test_no_step_gains_more_than_the_largest_of_its_speeds(step: Step, speeds: dict[Resource, float]):
    """But for a host that wakes up early, by up to 0.4 us a call here: that part of a wait scales with no speed."""
    largest = max(speeds.values(), default=1.0)
    period = period_us(step)
    assert period / largest * (1 - 1e-9) - 0.4 * len(step[0].thread) <= period_us(step, speeds) <= period * (1 + 1e-9)


@given(steps(), st.floats(0.01, 100))
def test_a_step_at_one_scale_takes_that_many_times_its_time(step: Step, scale: float):
    scaled = period_us(step, calibration=Calibration(scale, scale, scale))
    assert scaled == pytest.approx(period_us(step) * scale, rel=1e-9)


@given(steps())
def test_shares_are_never_negative_and_sum_to_no_more_than_one(step: Step):
    """They sum to less where two limits tie: neither alone gains anything. Recorded steps have no such ties.

    A host that wakes up early is left out: that part of a wait scales with no speed.
    """
    step = (replace(step[0], wake_us=[max(wake, 0.0) for wake in step[0].wake_us]), step[1])
    period = period_us(step)
    scenario = Scenario("as traced", *step, calibrate(*step, period, step[0].host_us))
    shares = share_table([scenario], 1 + 1e-6)[0]
    assert sum(shares.values()) <= 1 + 1e-3
    assert min(shares.values()) >= -1e-6


@given(st.lists(lasting, min_size=1, max_size=8), st.lists(lasting, min_size=1, max_size=8))
def test_shares_of_work_done_one_after_the_other_sum_to_one(kernels: list[float], gaps: list[float]):
    works = [Work(0, {NEEDS[row % 4]: need}, stream_gap=1.0) for row, need in enumerate(kernels)]
    calls = [HostCall(gap=gap) for gap in gaps]
    calls = [*calls[:-1], replace(calls[-1], takes=1.0), HostCall(kind="sync", waits_for=[len(works) - 1], wake=2.0)]
    step = graph_of(calls, [replace(work, launched_by=len(gaps) - 1) for work in works], tail=[3.0])
    scenario = Scenario("as traced", *step, calibrate(*step, period_us(step), step[0].host_us))
    assert sum(share_table([scenario], 1 + 1e-6)[0].values()) == pytest.approx(1, abs=1e-3)


@given(steps(), st.floats(0.3, 3), st.one_of(st.none(), st.floats(0.2, 1.2)), st.sampled_from([None, 0.15, 0.4]))
def test_a_calibrated_step_takes_the_clean_time(step: Step, clean: float, host: float | None, noise: float | None):
    clean_us = clean * period_us(step)
    found = calibrate(*step, clean_us, None if host is None else host * step[0].host_us, noise)
    assert period_us(step, calibration=found.calibration) == pytest.approx(clean_us, rel=1e-3)
    assert 0 < found.agreement <= 1
    assert found.plausible or found.agreement < 1


@given(steps())
def test_every_activity_starts_after_what_its_stream_ran_but_for_their_overlap_and_what_holds_it(step: Step):
    graph, replayed = step[0], run(step)
    within = Overlaps.of(graph).within.tolist()
    ends: dict[int, float] = {}
    for row, stream in enumerate(graph.stream):
        free = ends.get(stream, 0.0) + min(graph.stream_gap_us[row], 0.0)
        if within[row] >= 0:  # it was over before that end, and follows the start of the row that it ran in
            free = max(replayed.start_us[within[row]], replayed.end_us[within[row]] + graph.stream_gap_us[row])
        assert (
            replayed.start_us[row] >= max(free, *(replayed.end_us[other] for other in graph.held_by[row]), 0.0) - 1e-9
        )
        ends[stream] = max(ends.get(stream, 0.0), replayed.end_us[row])
