"""A traced step is brought to the clean time by what tracing can explain."""

from __future__ import annotations

import pytest

from profiler.attribute.calibration import (
    LEAST_HOST_NOISE_RATIO,
    PLAUSIBLE_HOST_SCALE,
    PLAUSIBLE_KERNEL_SCALE,
    Calibrated,
    calibrate,
    host_noise_ratio,
)
from profiler.attribute.replay import ActivityCosts
from profiler.report.vocabulary import Resource
from profiler.trace.graph import DependencyGraph
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, launching, period_us

HOST_BOUND = launching(100, host=10, kernel=3)  # 1003 us
DEVICE_BOUND = launching(100, host=3, kernel=10)  # 1003 us


def met(step: tuple[DependencyGraph, ActivityCosts], found: Calibrated) -> float:
    return period_us(step, calibration=found.calibration)


@pytest.mark.parametrize("clean_us", [300, 520, 900, 1000, 1100, 2500])
@pytest.mark.parametrize("host_us", [None, 250, 900, 1500])
@pytest.mark.parametrize("step", [HOST_BOUND, DEVICE_BOUND])
def test_the_replay_meets_the_clean_time(
    step: tuple[DependencyGraph, ActivityCosts], host_us: float | None, clean_us: float
):
    assert met(step, calibrate(*step, clean_us, host_us)) == pytest.approx(clean_us, rel=1e-3)


def test_a_step_that_is_much_faster_untraced_was_held_back_by_the_traced_host():
    found = calibrate(*HOST_BOUND, clean_wall_us=500)
    assert found.plausible
    assert found.calibration.host_scale == pytest.approx(0.497, abs=0.001)
    assert found.calibration.kernel_scale == 1


def test_kernels_explain_what_tracing_does_to_kernels():
    found = calibrate(*DEVICE_BOUND, clean_wall_us=980)
    assert found.plausible
    assert PLAUSIBLE_KERNEL_SCALE[0] < found.calibration.kernel_scale < 1


def test_gaps_between_kernels_are_what_tracing_widens_first():
    step = graph_of([HostCall(gap=1)], [Work(0, {Resource.DRAM: 10}, stream_gap=2)] * 50)
    found = calibrate(*step, clean_wall_us=560, clean_host_us=1)
    assert (found.calibration.kernel_scale, found.plausible) == (1, True)
    assert found.calibration.gap_scale == pytest.approx((560 - 501) / 98, rel=1e-3)


def test_gaps_are_left_as_traced_where_the_host_s_time_is_a_guess():
    step = graph_of([HostCall(gap=100)], [Work(0, {Resource.DRAM: 10}, stream_gap=2)] * 50)
    assert calibrate(*step, clean_wall_us=620).calibration.gap_scale == 1
    assert calibrate(*step, clean_wall_us=620, clean_host_us=40).calibration.gap_scale < 1


def test_a_known_host_time_decides_what_the_clean_time_leaves_open():
    either = launching(100, host=10, kernel=9.7)  # traced, the host holds it back a little
    host_works_less = calibrate(*either, clean_wall_us=985, clean_host_us=300)
    host_works_as_much = calibrate(*either, clean_wall_us=985, clean_host_us=970)
    assert host_works_less.host_known
    assert host_works_as_much.host_known
    assert period_us(either, {Resource.DRAM: 2}, host_works_less.calibration) < 600
    assert period_us(either, {Resource.DRAM: 2}, host_works_as_much.calibration) > 950


@pytest.mark.parametrize("clean_us", [960, 990, 1010, 1040])
def test_a_host_that_waits_for_each_kernel_keeps_the_little_that_they_leave_it(clean_us: float):
    """Kernels of 1000 us as traced: whether the clean step took a little less or more, its host was idle by little."""
    calls = [call for i in range(100) for call in (HostCall(gap=9), HostCall(kind="sync", waits_for=[i]))]
    step = graph_of(calls, [Work(2 * i, {Resource.DRAM: 10}) for i in range(100)])
    found = calibrate(*step, clean_us)
    assert met(step, found) == pytest.approx(clean_us, rel=1e-3)
    assert found.plausible
    assert found.calibration.host_scale < 0.1
    assert PLAUSIBLE_KERNEL_SCALE[0] <= found.calibration.kernel_scale <= 1


@pytest.mark.parametrize("clean_us", [870, 900, 930])
def test_where_kernels_alone_took_longer_on_a_noisy_host_they_leave_it_nothing_and_that_is_said(clean_us: float):
    calls = [call for i in range(100) for call in (HostCall(gap=9), HostCall(kind="sync", waits_for=[i]))]
    step = graph_of(calls, [Work(2 * i, {Resource.DRAM: 10}) for i in range(100)])
    found = calibrate(*step, clean_us)
    assert met(step, found) == pytest.approx(clean_us, rel=1e-3)
    assert (found.calibration.host_scale, found.plausible) == (0, False)
    assert 0.9 < found.agreement < 1


def test_without_a_known_host_time_it_says_so():
    assert not calibrate(*HOST_BOUND, clean_wall_us=500).host_known


def test_a_host_is_not_said_to_be_much_slower_untraced():
    found = calibrate(*HOST_BOUND, clean_wall_us=2006)
    assert found.calibration.host_scale == found.calibration.kernel_scale == pytest.approx(2)
    assert found.calibration.host_scale > PLAUSIBLE_HOST_SCALE
    assert not found.plausible
    assert found.agreement == pytest.approx(0.5)


def test_runs_that_were_not_alike_are_scaled_alike_and_called_implausible():
    found = calibrate(*DEVICE_BOUND, clean_wall_us=1003 / 2)
    assert found.calibration.kernel_scale == found.calibration.host_scale == pytest.approx(0.5)
    assert not found.plausible
    assert found.agreement == pytest.approx(0.5)


def test_a_plausible_calibration_agrees_with_the_trace():
    assert calibrate(*HOST_BOUND, clean_wall_us=500).agreement == 1


def test_a_step_in_which_nothing_happens_is_calibrated_to_nothing():
    found = calibrate(*graph_of([], []), clean_wall_us=100)
    assert met(graph_of([], []), found) == 0


def test_a_measured_host_moves_as_far_as_two_runs_differ():
    found = calibrate(*HOST_BOUND, clean_wall_us=550, clean_host_us=500, noise_ratio=0.15)
    assert (found.plausible, found.agreement, found.host_off_ratio) == (True, 1, None)
    assert found.calibration.host_scale == pytest.approx(0.547, abs=0.001)


def test_a_measured_host_that_would_have_to_move_further_is_said_to_be_off():
    found = calibrate(*HOST_BOUND, clean_wall_us=800, clean_host_us=500, noise_ratio=0.15)
    assert not found.plausible
    assert found.host_off_ratio == pytest.approx(797 / 500, rel=1e-3)
    assert found.agreement == pytest.approx(0.575 / 0.797, rel=1e-3)
    assert found.calibration.kernel_scale == 1
    assert met(HOST_BOUND, found) == pytest.approx(800, rel=1e-3)


def test_a_host_whose_time_is_assumed_gives_way_without_a_word():
    found = calibrate(*HOST_BOUND, clean_wall_us=800, clean_host_us=500)
    assert (found.plausible, found.host_off_ratio) == (True, None)


def test_kernels_that_ran_a_little_slower_than_explained_are_likelier_than_a_host_four_times_as_slow():
    found = calibrate(*DEVICE_BOUND, clean_wall_us=1093, clean_host_us=90, noise_ratio=0.15)
    assert (found.plausible, found.host_off_ratio) == (False, None)
    assert found.calibration.kernel_scale == pytest.approx((1093 - 0.9) / 1000, abs=1e-4)
    assert found.agreement == pytest.approx(1.08 / 1.0921, abs=1e-4)
    assert period_us(DEVICE_BOUND, {Resource.HOST: 2}, found.calibration) == pytest.approx(1093, rel=0.01)


@pytest.mark.parametrize(
    ("wall_ms", "low_ms", "high_ms", "expected"),
    [
        (34.0, 24.0, 44.0, 10 / 34),  # an eager step: the scatter is the host's
        (9.44, 9.40, 9.47, LEAST_HOST_NOISE_RATIO),  # a captured one: it says nothing of the host
        (21.0, 0.0, 63.0, 0.5),
        (20.0, None, None, LEAST_HOST_NOISE_RATIO),
    ],
)
def test_the_host_s_noise_is_that_of_the_clean_times_within_reason(
    wall_ms: float, low_ms: float | None, high_ms: float | None, expected: float
):
    assert host_noise_ratio(wall_ms, low_ms, high_ms) == pytest.approx(expected)
