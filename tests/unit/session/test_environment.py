"""Where a run took place, and who else was there."""

from __future__ import annotations

import os
import platform

import psutil
import pynvml

from profiler.device.driver import Driver
from profiler.device.gpu import Gpu, gpu_of
from profiler.report.vocabulary import Tier
from profiler.session.environment import describe
from profiler.session.machine import sampler_config
from tests.fakes import H100_UUID, FakeDriverLibrary, FakeGpu
from tests.unit.session.machines import FakeGpuDevice, cpu_machine


def gpu(library: FakeDriverLibrary) -> Gpu:
    return Gpu(Driver.open(library), H100_UUID)


def test_a_cpu_is_described_without_a_driver() -> None:
    environment, warnings = describe(cpu_machine().device, None, None)
    assert environment.python == platform.python_version()
    assert environment.device_kind == "cpu"
    assert environment.other_processes is None
    assert environment.sources["other_processes"].missing == "a CPU is shared by all processes"
    assert environment.host_memory_bytes == psutil.virtual_memory().total
    assert warnings == []


def test_a_gpu_that_is_ours_alone_has_no_warning() -> None:
    environment, warnings = describe(
        FakeGpuDevice(), gpu(FakeDriverLibrary(FakeGpu(processes=[(os.getpid(), 1)]))), None
    )
    assert (environment.other_processes, environment.sources["other_processes"].tier) == (0, Tier.DRIVER)
    assert warnings == []


def test_a_process_that_cannot_be_seen_is_counted_without_a_name() -> None:
    unseen = max(psutil.pids()) + 10_000
    environment, warnings = describe(FakeGpuDevice(), gpu(FakeDriverLibrary(FakeGpu(processes=[(unseen, None)]))), None)
    assert environment.other_processes == 1
    assert f"unnamed (pid {unseen})" in warnings[0].message


def test_a_driver_that_knows_no_such_gpu_is_a_reason() -> None:
    library = FakeDriverLibrary(FakeGpu(uuid="another"))
    found, reason = gpu_of(FakeGpuDevice(), Driver.open(library))
    assert found is None
    assert reason == str(pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND))


def test_the_telemetry_process_is_told_of_this_process_and_its_gpu() -> None:
    assert sampler_config(FakeGpuDevice()).gpu_uuid == H100_UUID
    assert sampler_config(cpu_machine().device).gpu_uuid is None
    assert sampler_config(cpu_machine().device).pid == os.getpid()
