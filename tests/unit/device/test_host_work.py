from __future__ import annotations

import torch

from profiler.device.host_work import HostWork, time_host_work
from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.session.bench import Bench
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakeSampler
from tests.unit.session.machines import FakeGpuDevice, ceilings_of


def test_the_work_is_the_same_each_time_and_leaves_the_random_numbers_alone() -> None:
    work = HostWork("cpu")
    before = torch.random.get_rng_state()
    assert work() == work()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_one_go_warms_up_the_next_is_timed_and_the_device_is_idle_at_the_end() -> None:
    clock = FakeClock()
    device = FakeDevice(clock)
    takes_ms = iter([5.0, 0.3])

    nanoseconds = time_host_work(lambda: clock.advance_ms(next(takes_ms)), device, clock)

    assert nanoseconds == 300_000
    assert device.log == ["synchronize"]


def bench(device: object) -> Bench:
    clock = FakeClock()
    ceilings = ceilings_of(device.properties)  # type: ignore[attr-defined]
    return Bench(device, ceilings, FakeSampler(clock), clock, Plan.quick(), SilentProgress())  # type: ignore[arg-type]


def test_a_gpus_host_is_paced_by_the_fastest_that_it_was_seen() -> None:
    pace = bench(FakeGpuDevice()).pace()
    assert pace is not None
    assert pace.reference_us == 300.0


def test_a_processor_has_no_host_beside_it() -> None:
    assert bench(FakeDevice(FakeClock())).pace() is None
