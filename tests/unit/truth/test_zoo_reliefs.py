"""What a relief does to the replay of a step."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from benchmarks.truth.zoo.relief import (
    GONE,
    Relief,
    balanced,
    faster,
    pinned,
    without_copies,
    without_syncs,
    without_waits,
)
from profiler.attribute.activities import ActivityFacts
from profiler.attribute.step_evidence import StepEvidence
from profiler.report.ceilings import Ceiling, Ceilings
from profiler.report.evidence import CleanTimes, KernelFacts, Peaks
from profiler.report.vocabulary import Cause, Resource, Tier
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, period_us

# 3 TB/s, kernels of no fixed cost, 100 processors.
PEAKS = Peaks(dram_bytes_per_s=3e12, kernel_us=0.0, sm_count=100, l2_bytes=None)
CEILINGS = Ceilings(
    device="a GPU",
    measured_at=None,
    from_cache=False,
    ceilings=[
        Ceiling(name=name, unit="GB/s", value=50.0, low=50.0, high=50.0, datasheet=None, tier=Tier.HOST)
        for name in ("h2d.pinned", "d2h.pinned")
    ],
)


def kernel(duration_us: float, *, dram_ratio: float = 0.0, blocks: int = 1000) -> ActivityFacts:
    """A kernel whose bytes take this part of its time."""
    moved = duration_us / 1e6 * 3e12 * dram_ratio
    facts = KernelFacts(
        bytes=moved,
        resident_bytes=0.0,
        flops=0.0,
        uses_matrix_units=False,
        blocks=blocks,
        memory_cause=Cause.MEMORY_ACTIVATIONS,
    )
    return ActivityFacts(Activity.KERNEL, duration_us, facts)


def copy_in(duration_us: float, moved_bytes: float) -> ActivityFacts:
    return replace(
        kernel(duration_us),
        activity=Activity.H2D,
        kernel=replace(kernel(duration_us).kernel, bytes=moved_bytes),
    )


def step(calls: list[HostCall], works: list[Work], facts: list[ActivityFacts]) -> StepEvidence:
    """A step as a run that nobody traced took it: exactly as long as its replay."""
    works = [
        replace(work, needs={Resource.DRAM: fact.duration_us}, activity=fact.activity)
        for work, fact in zip(works, facts, strict=True)
    ]
    graph, costs = graph_of(calls, works)
    wall_ms = period_us((graph, costs)) / 1e3
    return StepEvidence(replace(graph, wall_us=wall_ms * 1e3), facts, CleanTimes(wall_ms, None, None, None), PEAKS)


def gain(relief: Relief, evidence: StepEvidence) -> float:
    return relief.predict(evidence, CEILINGS).value


def test_half_the_bytes_of_a_kernel_that_waits_for_memory_gain_half_of_its_time() -> None:
    evidence = step([HostCall()], [Work(0)], [kernel(100, dram_ratio=1.0)])
    assert gain(faster("half the bytes", dram=2.0), evidence) == pytest.approx(0.5, abs=0.01)


def test_without_instructions_a_kernel_lasts_as_long_as_its_bytes() -> None:
    evidence = step([HostCall()], [Work(0)], [kernel(100, dram_ratio=0.3)])
    assert gain(faster("cheap", issue=GONE), evidence) == pytest.approx(0.7, abs=0.01)


def test_the_range_of_a_prediction_holds_its_value() -> None:
    predicted = faster("cheap", issue=GONE).predict(
        step([HostCall()], [Work(0)], [kernel(100, dram_ratio=0.5)]), CEILINGS
    )
    assert predicted.low <= predicted.value <= predicted.high
    assert predicted.low < predicted.high


def test_a_pinned_copy_takes_as_long_as_its_ceiling_says() -> None:
    # 5 MB at 50 GB/s are 100 us; from pageable memory they took 300 us.
    evidence = step([HostCall(kind="copy")], [Work(0)], [copy_in(300, 5e6)])
    assert gain(pinned("pinned"), evidence) == pytest.approx(2 / 3, abs=0.01)


def test_a_copy_that_is_faster_than_the_ceiling_gains_nothing_from_pinned_memory() -> None:
    evidence = step([HostCall(kind="copy")], [Work(0)], [copy_in(50, 5e6)])
    assert gain(pinned("pinned"), evidence) == pytest.approx(0.0, abs=0.01)


def test_streams_that_do_not_wait_run_at_once() -> None:
    small = [kernel(100, blocks=1)] * 2
    evidence = step([HostCall(), HostCall()], [Work(0, stream=1), Work(1, stream=2, held_by=[0])], small)
    assert gain(without_waits("no waits"), evidence) == pytest.approx(0.5, abs=0.01)


def test_kernels_dealt_out_over_two_streams_take_half_of_the_time() -> None:
    works = [Work(0, stream=1), Work(1, stream=1), Work(2, stream=1), Work(3, stream=2)]
    evidence = step([HostCall()] * 4, works, [kernel(100, blocks=1)] * 4)
    assert gain(balanced("2 on each"), evidence) == pytest.approx(1 / 3, abs=0.01)


def test_without_syncs_only_the_last_one_waits() -> None:
    # The host launches for 10 us, waits for 10 us of kernel and 10 us of waking up, three times.
    calls = [
        call
        for kernel_row in range(3)
        for call in (HostCall(gap=10.0), HostCall(kind="sync", waits_for=[kernel_row], wake=10.0))
    ]
    evidence = step(calls, [Work(0), Work(2), Work(4)], [kernel(10, blocks=1)] * 3)
    assert evidence.clean.wall_ms == pytest.approx(0.090)
    # Then the launches follow each other, and the last kernel is waited for: 30 + 10 + 10 us.
    assert gain(without_syncs("one wait"), evidence) == pytest.approx(4 / 9, abs=0.01)


def test_a_relief_leaves_the_evidence_as_it_was() -> None:
    evidence = step([HostCall(), HostCall()], [Work(0, stream=1), Work(1, stream=2, held_by=[0])], [kernel(100)] * 2)
    before: DependencyGraph = replace(evidence.graph, held_by=[list(rows) for rows in evidence.graph.held_by])
    without_waits("no waits").predict(evidence, CEILINGS)
    balanced("balanced").predict(evidence, CEILINGS)
    assert evidence.graph == before


def test_without_copies_neither_the_bus_nor_the_calls_take_time() -> None:
    # A copy that the host waits for (10 us to ask, 100 us, 5 us to wake up), then a kernel of 50 us.
    calls = [HostCall(kind="copy", gap=20.0, takes=10.0, waits_for=[0], wake=5.0), HostCall(gap=20.0)]
    evidence = step(calls, [Work(0), Work(1)], [copy_in(100, 5e6), kernel(50, blocks=1)])
    assert evidence.clean.wall_ms == pytest.approx(0.205)
    # What the host did on the way to the copy stays: 20 + 20 + 50 us.
    assert gain(without_copies("kept there"), evidence) == pytest.approx(1 - 90 / 205, abs=0.01)


def test_without_copies_the_wait_for_their_stream_is_gone_too() -> None:
    calls = [HostCall(kind="copy"), HostCall(kind="sync", waits_for=[0], wake=10.0), HostCall(gap=20.0)]
    evidence = step(calls, [Work(0), Work(2)], [copy_in(100, 5e6), kernel(50, blocks=1)])
    assert evidence.clean.wall_ms == pytest.approx(0.180)
    assert gain(without_copies("kept there"), evidence) == pytest.approx(1 - 70 / 180, abs=0.01)
