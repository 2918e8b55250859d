"""A step kept in a report is the step that was judged."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from msgspec import structs
from msgspec.structs import replace

from profiler.attribute.activities import ActivityFacts
from profiler.attribute.calibration import calibrate
from profiler.attribute.shares import Scenario
from profiler.attribute.step_evidence import StepEvidence
from profiler.attribute.timeline_record import replayable, restored, timeline_record
from profiler.errors import UnreadableError
from profiler.report.evidence import CleanTimes, KernelFacts, Peaks
from profiler.report.timeline import Timeline
from profiler.report.vocabulary import Cause, Resource
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, period_us

STEP = graph_of(
    [
        HostCall(gap=1.23456, takes=2),
        HostCall(gap=3, kind="copy", waits_for=[1], wake=0.5),
        HostCall(gap=1, kind="sync", waits_for=[0, 1], thread=1),
    ],
    [
        Work(0, {Resource.DRAM: 7.0}, fixed=1.5, delay=-0.5),
        Work(1, {Resource.PCIE: 20.0}, fixed=1.5, stream=8, stream_gap=0.2, held_by=[0], activity=Activity.H2D),
    ],
    tail=[4.0, 5.0],
)
EVIDENCE = StepEvidence(
    STEP[0],
    [
        ActivityFacts(Activity.KERNEL, 8.5, KernelFacts(7e6, 1e6, 5e6, True, 64, Cause.MEMORY_WEIGHTS, 1e12, 128, 32)),
        ActivityFacts(Activity.H2D, 21.5, KernelFacts(None, 0.0, None, False, None, Cause.MEMORY_ACTIVATIONS)),
    ],
    CleanTimes(0.03, 0.029, 0.031, 0.005),
    Peaks(1e12, 1.5, 100, None),
)
CAUSES = [Cause.MEMORY_WEIGHTS, Cause.IO_H2D]


def record() -> Timeline:
    scenario = Scenario("as traced", *STEP, calibrate(*STEP, 30.0, 5.0))
    return timeline_record(scenario, EVIDENCE, ["gemm", "copy"], CAUSES)


def test_it_replays_identically_at_any_speed():
    read = msgspec.json.decode(msgspec.json.encode(record()), type=Timeline)
    for speeds in ({}, {Resource.PCIE: 2.0}, {Resource.HOST: 3.0}, {Resource.LATENCY: 2.0}):
        assert abs(period_us(replayable(read), speeds) - period_us(STEP, speeds)) < 0.01


def test_it_keeps_the_scales_of_the_best_reading():
    calibration = calibrate(*STEP, 30.0, 5.0).calibration
    kept = record()
    assert (kept.host_scale, kept.kernel_scale, kept.gap_scale) == (
        calibration.host_scale,
        calibration.kernel_scale,
        calibration.gap_scale,
    )


def test_equal_names_are_kept_once_and_kinds_as_words():
    scenario = Scenario("as traced", *STEP, calibrate(*STEP, 30.0, 5.0))
    kept = timeline_record(scenario, EVIDENCE, ["gemm", "gemm"], CAUSES)
    assert (kept.names, kept.device.name) == (["gemm"], [0, 0])
    assert kept.device.kind == ["kernel", "h2d"]
    assert kept.device.cause == CAUSES


def test_resources_that_nothing_needs_are_left_out():
    assert set(record().device.needs_us) == {Resource.DRAM, Resource.PCIE}


def test_times_are_kept_to_the_nanosecond():
    assert record().host.gap_us[0] == 1.235


def test_what_it_was_judged_from_is_kept_whole():
    read = restored(msgspec.json.decode(msgspec.json.encode(record()), type=Timeline))
    assert read is not None
    assert (read.clean, read.peaks) == (EVIDENCE.clean, EVIDENCE.peaks)
    assert [fact.kernel for fact in read.facts] == [fact.kernel for fact in EVIDENCE.facts]
    assert [fact.activity for fact in read.facts] == [Activity.KERNEL, Activity.H2D]


def test_equal_kernels_are_kept_once():
    twice = replace(EVIDENCE, facts=[EVIDENCE.facts[0], EVIDENCE.facts[0]])
    scenario = Scenario("as traced", *STEP, calibrate(*STEP, 30.0, 5.0))
    kept = timeline_record(scenario, twice, ["gemm", "gemm"], CAUSES).evidence
    assert kept is not None
    assert (len(kept.facts), kept.facts_of) == (1, [0, 0])


def test_a_report_of_before_has_no_evidence():
    assert restored(structs.replace(record(), evidence=None)) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: kept.device.duration_us.pop(),
        lambda kept: kept.device.needs_us[Resource.DRAM].append(1.0),
        lambda kept: kept.host.wake_us.clear(),
        lambda kept: kept.device.launched_by.__setitem__(0, 99),
        lambda kept: kept.host.waits_for[1].append(2),
        lambda kept: kept.host.thread.__setitem__(0, 2),
        lambda kept: kept.device.kind.__setitem__(0, "teleport"),
        lambda kept: kept.evidence.facts_of.__setitem__(0, 7),
    ],
)
def test_a_damaged_step_is_refused_in_a_line(damage: Callable[[Timeline], object]):
    kept = msgspec.json.decode(msgspec.json.encode(record()), type=Timeline)
    assert restored(kept) is not None
    damage(kept)
    with pytest.raises(UnreadableError, match="the report's kept step is damaged"):
        restored(kept)
