"""Reports and traces that this tool wrote on an H100: what they say holds, and can be computed again from them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from profiler.attribute.replay import Calibration, replay
from profiler.attribute.timeline_record import replayable
from profiler.report.records import Phase, Report
from profiler.report.store import decode
from profiler.report.timeline import Timeline
from profiler.report.vocabulary import Resource, VerdictState
from profiler.session.cross_checks import busy_ms, series
from profiler.trace.kineto import read_kineto
from profiler.trace.steps import steps_of

OWN = Path(__file__).resolve().parents[2] / "data" / "own"
SLOW_HOST, PAGED = "llama8b-eager-slow-host.json.gz", "llama8b-paged.json.gz"
REPORTS = sorted(path.name for path in OWN.glob("*.json.gz") if "trace" not in path.name)


def report_of(name: str) -> Report:
    return decode(gzip.decompress((OWN / name).read_bytes()))


def phase_of(name: str, phase: str) -> Phase:
    return next(found for found in report_of(name).phases if found.name == phase)


def again(timeline: Timeline, **speeds: float) -> float:
    """Milliseconds of the kept step, run again at other speeds."""
    graph, costs = replayable(timeline)
    calibration = Calibration(timeline.host_scale, timeline.kernel_scale, timeline.gap_scale)
    return replay(graph, costs, calibration, {Resource(name): speed for name, speed in speeds.items()}).period_us / 1e3


@pytest.mark.parametrize(
    ("name", "phase", "leader"),
    [
        ("llama8b-eager.json.gz", "decode", "scheduling"),
        ("llama8b-graph.json.gz", "decode", "memory"),
        ("llama8b-prefill.json.gz", "prefill", "compute"),
        ("llama8b-offload.json.gz", "decode", "io"),
    ],
)
def test_the_four_known_bottlenecks_were_named_clearly(name: str, phase: str, leader: str) -> None:
    verdict = phase_of(name, phase).verdict
    assert (verdict.class_, verdict.state) == (leader, VerdictState.CLEAR)


@pytest.mark.parametrize("name", REPORTS)
def test_parts_sum_to_the_clean_median_in_every_phase(name: str) -> None:
    for phase in report_of(name).phases:
        assert sum(part.ms for part in phase.parts) == pytest.approx(phase.clean.wall_ms.median, rel=0.01)


@pytest.mark.parametrize("name", REPORTS)
def test_the_kept_step_takes_the_clean_time_when_it_runs_again(name: str) -> None:
    for phase in report_of(name).phases:
        if phase.timeline is not None:
            assert again(phase.timeline) == pytest.approx(phase.clean.wall_ms.median, rel=0.01)


@pytest.mark.parametrize("name", REPORTS)
def test_the_shares_follow_from_the_kept_step(name: str) -> None:
    for phase in report_of(name).phases:
        if phase.timeline is None:
            continue
        base = again(phase.timeline)
        for share in phase.shares:
            gain = (1 - again(phase.timeline, **{share.resource: share.step}) / base) / (1 - 1 / share.step)
            assert gain == pytest.approx(share.share, abs=0.02)


def test_faster_memory_helps_the_captured_step_and_not_the_eager_one() -> None:
    eager, captured = (phase_of(f"llama8b-{mode}.json.gz", "decode").timeline for mode in ("eager", "graph"))
    assert eager is not None
    assert captured is not None
    assert again(eager, dram=1.4) == pytest.approx(again(eager), rel=0.02)
    assert again(captured, dram=1.4) < 0.9 * again(captured)


def test_the_dram_traffic_that_the_driver_saw_is_that_of_the_shapes() -> None:
    phase = phase_of("llama8b-graph.json.gz", "decode")
    bandwidth = series(phase.telemetry, "dram_bandwidth")
    assert phase.telemetry is not None
    assert bandwidth is not None
    assert bandwidth.value is not None
    measured = bandwidth.value * 1e9 * phase.telemetry.seconds / phase.telemetry.iterations
    assert measured == pytest.approx(phase.bytes, rel=0.10)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_trace_of_ours_holds_the_steps_of_both_phases(mode: str) -> None:
    timeline = read_kineto(OWN / f"smollm135m-{mode}-trace.json.gz")
    assert {step.name for step in steps_of(timeline)} == {"prefill", "decode"}


@pytest.mark.parametrize("name", REPORTS)
def test_the_idle_part_agrees_with_the_driver_within_5_percent_of_wall_time(name: str) -> None:
    compared = [(busy, phase) for phase in report_of(name).phases if (busy := busy_ms(phase)) is not None]
    assert len(compared) == (1 if name == PAGED else 2)
    for (driver_ms, ours_ms), phase in compared:
        if (name, phase.name) != (SLOW_HOST, "decode"):
            assert abs(driver_ms - ours_ms) <= 0.05 * phase.clean.wall_ms.median


def test_where_it_does_not_as_neighbours_slowed_the_host_by_half_the_report_warns() -> None:
    phase = phase_of(SLOW_HOST, "decode")
    busy = busy_ms(phase)
    assert busy is not None
    assert abs(busy[0] - busy[1]) > 0.05 * phase.clean.wall_ms.median
    assert {"idle_disagrees", "host_slowed"} <= {warning.code for warning in phase.warnings}


def test_every_phase_on_a_gpu_was_held_against_the_driver_or_says_why_not() -> None:
    phases = [(name, phase) for name in REPORTS for phase in report_of(name).phases if phase.telemetry is not None]
    unseen = [(name, phase) for name, phase in phases if busy_ms(phase) is None]
    assert [(name, phase.name) for name, phase in unseen] == [(PAGED, "decode")]
    telemetry = unseen[0][1].telemetry
    assert telemetry is not None
    why = {each.name: each.missing for each in telemetry.series}
    assert why["gpu_active"] == "resets between iterations took at least 7% of every window"
