from __future__ import annotations

from profiler.measure.host_time import measure_host_ms
from profiler.measure.plan import Plan
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase

PLAN = Plan.quick()


def test_the_hosts_time_is_that_of_launching_and_not_of_the_reset_or_the_device() -> None:
    clock = FakeClock()
    device = FakeDevice(clock)
    phase = FakePhase(clock, device.log, iterations_per_reset=1)

    def launch() -> None:
        device.log.append("launch")
        clock.advance_ms(5.0)

    phase.launch = launch
    assert measure_host_ms(phase, device, clock, PLAN) == 5.0
    # the device is idle before each launch, and done before the next reset
    assert device.log == ["reset", "synchronize", "launch", "synchronize"] * PLAN.host_iterations


def test_a_phase_that_cannot_be_split_has_no_host_time() -> None:
    clock = FakeClock()
    device = FakeDevice(clock)
    assert measure_host_ms(FakePhase(clock, device.log), device, clock, PLAN) is None
    assert device.log == []
