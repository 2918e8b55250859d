"""A step that waits for its data loader: whose time that is, and what would help."""

from __future__ import annotations

import pytest

from profiler.attribute.calibration import calibrate
from profiler.attribute.parts import split
from profiler.attribute.shares import Scenario, class_shares, share_table
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, Tier
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, period_us, run

# The loader takes 80 us, the host 10, the kernel 30; then the host reads the result.
LATE = graph_of(
    [HostCall(input=80, gap=10), HostCall(kind="sync", waits_for=[0])], [Work(0, {Resource.TENSOR: 29.0}, fixed=1.0)]
)


def test_the_step_lasts_as_long_as_loader_host_and_kernel_together():
    assert period_us(LATE) == 120


def test_a_faster_storage_shortens_the_wait_and_nothing_else():
    assert period_us(LATE, {Resource.DISK: 2.0}) == 80
    assert period_us(LATE, {Resource.HOST: 2.0}) == 115


def test_the_wait_is_io_input_and_the_host_s_own_work_is_not():
    parts = {part.cause: part.ms for part in split(LATE[0], run(LATE), [Cause.COMPUTE_TENSOR], [Tier.ANALYTIC])}
    assert parts == pytest.approx({Cause.IO_INPUT: 0.080, Cause.COMPUTE_TENSOR: 0.030, Cause.SCHEDULING_HOST: 0.010})


def test_io_is_the_bottleneck():
    scenario = Scenario("as traced", *LATE, calibrate(*LATE, 120.0, 90.0))
    shares = class_shares(share_table([scenario]))[0]
    assert shares[BottleneckClass.IO] == pytest.approx(80 / 120, abs=0.01)


def test_the_host_alone_is_measured_with_its_wait_for_input_and_scaled_without_it():
    assert calibrate(*LATE, 120.0, 90.0).calibration.host_scale == pytest.approx(1)


def test_a_run_that_was_slower_as_a_whole_waited_longer_too():
    scenario = Scenario("slow", *LATE, calibrate(*LATE, 240.0, None))
    assert scenario.run().period_us == pytest.approx(240, rel=1e-3)


def test_a_loader_that_fetches_while_the_device_works_costs_nothing():
    ahead = graph_of(
        [HostCall(gap=10), HostCall(input=80, kind="sync", waits_for=[0])], [Work(0, {Resource.TENSOR: 150.0})]
    )
    assert period_us(ahead) == 160
    assert {part.cause for part in split(ahead[0], run(ahead), [Cause.COMPUTE_TENSOR], [Tier.ANALYTIC])} == {
        Cause.COMPUTE_TENSOR,
        Cause.SCHEDULING_HOST,
    }
