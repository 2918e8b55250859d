"""A step kept in a report is the step that was judged."""

from __future__ import annotations

import msgspec

from profiler.attribute.calibration import calibrate
from profiler.attribute.shares import Scenario
from profiler.attribute.timeline_record import replayable, timeline_record
from profiler.report.records import Timeline
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
CAUSES = [Cause.MEMORY_WEIGHTS, Cause.IO_H2D]


def record() -> Timeline:
    scenario = Scenario("as traced", *STEP, calibrate(*STEP, 30.0, 5.0))
    return timeline_record(scenario, ["gemm", "copy"], CAUSES)


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
    kept = timeline_record(scenario, ["gemm", "gemm"], CAUSES)
    assert (kept.names, kept.device.name) == (["gemm"], [0, 0])
    assert kept.device.kind == ["kernel", "h2d"]
    assert kept.device.cause == CAUSES


def test_resources_that_nothing_needs_are_left_out():
    assert set(record().device.needs_us) == {Resource.DRAM, Resource.PCIE}


def test_times_are_kept_to_the_nanosecond():
    assert record().host.gap_us[0] == 1.235
