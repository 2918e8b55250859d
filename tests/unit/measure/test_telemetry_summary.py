from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profiler.measure.telemetry.sampler import QUANTITIES
from profiler.measure.telemetry.source import Kind, Quantity, Recording, Sample
from profiler.measure.telemetry.summary import Span, coverage, summarize
from profiler.report.telemetry import Series
from profiler.report.vocabulary import Tier

MS = 1_000_000
SECOND = 1_000 * MS
RECORDINGS = Path(__file__).parents[2] / "data" / "recordings" / "index_h100.json"

POWER = Quantity(name="power", unit="W", tier=Tier.DRIVER)
ENERGY = Quantity(name="energy", unit="J", tier=Tier.DRIVER, kind=Kind.COUNTER)
REASONS = Quantity(name="clock_event_reasons", unit="bitmask", tier=Tier.DRIVER, kind=Kind.BITS)
ACTIVE = Quantity(name="gpu_active", unit="ratio", tier=Tier.DRIVER)


def moment(ms: float, **values: float) -> Sample:
    return Sample(source="nvml", start_ns=round(ms * MS), end_ns=round(ms * MS), values=values)


def window(start_ms: float, end_ms: float, **values: float) -> Sample:
    return Sample(source="nvml", start_ns=round(start_ms * MS), end_ns=round(end_ms * MS), values=values)


def one(quantity: Quantity, samples: list[Sample], spans: list[Span], **rest: Any) -> Series:
    [series] = summarize(Recording(samples=samples, **rest), {"nvml": (quantity,)}, spans)
    return series


def test_windows_that_reach_beyond_the_phase_are_dropped() -> None:
    samples = [
        window(-200, 300, gpu_active=0.1),
        window(300, 800, gpu_active=0.9),
        window(800, 1300, gpu_active=0.8),
        window(1300, 1800, gpu_active=0.2),
    ]
    series = one(ACTIVE, samples, [(0, 1400 * MS)])
    assert series.samples == 2
    assert series.value == pytest.approx(0.85)
    assert series.window_ms == 500
    assert series.peak == 0.9


def test_a_window_with_a_little_reset_in_it_counts_and_one_with_much_does_not() -> None:
    spans = [(0, 480 * MS), (500 * MS, 900 * MS), (1000 * MS, 1500 * MS)]
    samples = [window(0, 500, gpu_active=0.9), window(500, 1000, gpu_active=0.5), window(1000, 1500, gpu_active=0.8)]
    series = one(ACTIVE, samples, spans)
    assert series.samples == 2
    assert series.value == pytest.approx(0.85)


def test_a_phase_of_mostly_resets_has_null_series_that_say_so() -> None:
    spans = [(0, 100 * MS), (300 * MS, 400 * MS)]
    series = one(ACTIVE, [window(0, 400, gpu_active=0.5)], spans)
    assert series.value is None
    assert series.missing == "resets between iterations took at least 50% of every window"


def test_moments_outside_the_phase_are_dropped() -> None:
    series = one(POWER, [moment(-10, power=100), moment(10, power=300), moment(500, power=90)], [(0, 400 * MS)])
    assert (series.value, series.samples, series.window_ms) == (300, 1, None)


def test_the_middle_of_the_samples_is_reported_with_their_peak() -> None:
    series = one(POWER, [moment(i, power=i) for i in range(101)], [(0, 100 * MS)])
    assert (series.value, series.low, series.high, series.peak) == (50, 5, 95, 100)


def test_flags_seen_at_any_moment_are_reported() -> None:
    samples = [moment(i, clock_event_reasons=reasons) for i, reasons in enumerate([0, 0x4, 0, 0x20])]
    assert one(REASONS, samples, [(0, SECOND)]).value == 0x24


def test_energy_is_the_increase_scaled_to_all_the_time_that_the_phase_ran() -> None:
    samples = [moment(50 + 50 * i, energy=1000 + 20 * i) for i in range(18)]  # 400 W from 50 to 900 ms
    series = one(ENERGY, samples, [(0, SECOND)])
    assert series.value == pytest.approx(400)
    assert series.window_ms == pytest.approx(850)


def test_energy_of_a_reset_is_not_the_phases() -> None:
    samples = [moment(50 * i, energy=20 * i + (500 if i > 9 else 0)) for i in range(20)]
    spans = [(0, 450 * MS), (500 * MS, 950 * MS)]  # the reset between them took 520 J
    assert one(ENERGY, samples, spans).value == pytest.approx(400 * 0.9)


def test_one_reading_of_a_counter_is_no_difference() -> None:
    series = one(ENERGY, [moment(10, energy=5)], [(0, SECOND)])
    assert series.value is None
    assert series.missing


def test_a_refused_quantity_is_null_with_the_reason_although_it_was_read_at_first() -> None:
    refused = {"nvml": {"power": "GPU is lost"}}
    series = one(POWER, [moment(10, power=300)], [(0, SECOND)], refused=refused)
    assert (series.value, series.missing, series.samples) == (None, "GPU is lost", 0)


def test_a_failed_sampler_leaves_every_series_null_with_the_reason() -> None:
    all_series = summarize(Recording(failure="the telemetry process was killed (signal 9)"), QUANTITIES, [(0, SECOND)])
    assert {series.value for series in all_series} == {None}
    assert {series.missing for series in all_series} == {"the telemetry process was killed (signal 9)"}


def test_every_series_is_there_once_whatever_could_be_read() -> None:
    names = [series.name for series in summarize(Recording(), QUANTITIES, [])]
    assert len(names) == len(set(names))
    assert {
        *("dram_bandwidth", "dram_utilization", "sm_utilization", "sm_occupancy", "tensor_utilization", "gpu_active"),
        *("pcie_h2d", "pcie_d2h", "nvlink_rx", "nvlink_tx", "sm_clock", "memory_clock", "power", "energy"),
        *("memory_used", "clock_event_reasons", "nvml_gpu_busy", "cpu_process", "cpu_others", "cpu_busiest_core"),
        *("host_memory_used", "disk_read"),
    } == set(names)


def test_the_first_source_that_could_read_a_quantity_is_believed() -> None:
    gpm_sample = Sample(source="gpm", start_ns=0, end_ns=500 * MS, values={"pcie_h2d": 50.0})
    nvml_sample = Sample(source="nvml", start_ns=0, end_ns=50 * MS, values={"pcie_h2d": 49.0})

    def pcie(recording: Recording) -> Series:
        return next(s for s in summarize(recording, QUANTITIES, [(0, SECOND)]) if s.name == "pcie_h2d")

    assert pcie(Recording(samples=[nvml_sample, gpm_sample])).value == 50.0
    without_gpm = pcie(Recording(samples=[nvml_sample], refused={"gpm": {"pcie_h2d": "no GPM"}}))
    assert without_gpm.value == 49.0
    assert without_gpm.missing is None


def test_coverage_of_a_window_by_two_spans() -> None:
    assert coverage(0, 100, [(-50, 25), (50, 75)]) == pytest.approx(0.5)


def recorded(name: str) -> dict[str, Any]:
    cases = json.loads(RECORDINGS.read_text())["recordings"]
    return next(case for case in cases if case["name"] == name)


def test_recorded_dram_traffic_of_a_graph_decode_is_that_of_its_weights() -> None:
    """An H100 read 15.0 GB of weights in each step; GPM counted it, as this telemetry pass would have."""
    case = recorded("decode_b1_graph")
    telemetry = case["telemetry"]
    samples = [
        Sample(
            source="gpm",
            start_ns=reading["start_ns"],
            end_ns=reading["end_ns"],
            values={"dram_bandwidth": reading["DRAM_BW_UTIL"] / 100 * 2 * reading["mem_mhz"] * 1e6 * 5120 / 8 / 1e9},
        )
        for reading in telemetry["series"]
    ]
    spans = [(samples[0].start_ns, samples[-1].end_ns)]
    series = {s.name: s for s in summarize(Recording(samples=samples), QUANTITIES, spans)}["dram_bandwidth"]
    steps_per_s = telemetry["iterations"] / telemetry["seconds"]
    assert series.value == pytest.approx(case["weights_bytes"] * steps_per_s / 1e9, rel=0.10)
    assert series.window_ms == pytest.approx(500, rel=0.02)


def test_what_was_read_is_kept_with_when_it_was_read_in_the_pass() -> None:
    samples = [moment(ms, power=ms) for ms in (900, 1000, 1100, 1200)]
    series = one(POWER, samples, [(1000 * MS, 1500 * MS)])
    assert (series.at_ms, series.values) == ([0.0, 100.0, 200.0], [1000, 1100, 1200])
    middle = one(ACTIVE, [window(0, 500, gpu_active=0.5)], [(0, 500 * MS)])
    assert middle.at_ms == [250.0]


def test_of_a_long_pass_no_more_is_kept_than_a_picture_can_show() -> None:
    series = one(POWER, [moment(ms, power=ms) for ms in range(0, 10_000, 10)], [(0, 10 * SECOND)])
    assert series.samples == 1000
    assert len(series.values) == len(series.at_ms) <= 400
    assert series.values[0] == 0
    assert series.values[-1] > 9_900


def test_a_counter_keeps_no_readings() -> None:
    assert one(ENERGY, [moment(ms, energy=ms) for ms in (0, 500, 1000)], [(0, SECOND)]).values == []
