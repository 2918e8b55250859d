"""What the driver says about one GPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pynvml
import pytest

from profiler.device.driver import Driver, QueryRefused
from profiler.device.gpu import (
    THROTTLED_MASK,
    Gpu,
    GpuProcess,
    PcieCounters,
    counter_difference_bytes,
    name_clock_event_reasons,
)
from tests.fakes import GIB, H100_UUID, FakeDriverLibrary, FakeGpu


def gpu_of(library: FakeDriverLibrary, uuid: str = H100_UUID) -> Gpu:
    return Gpu(Driver.open(library), uuid)


@pytest.mark.parametrize("uuid", [H100_UUID, f"GPU-{H100_UUID}"])
def test_a_gpu_is_found_by_its_uuid_as_torch_or_as_nvml_writes_it(uuid):
    other = FakeGpu(uuid="00000000-0000-0000-0000-000000000000", power_mw=1000)
    assert gpu_of(FakeDriverLibrary(other, FakeGpu(power_mw=5000)), uuid).power_w() == 5.0


def test_a_gpu_that_the_driver_does_not_know_is_a_refusal():
    with pytest.raises(QueryRefused, match="Not Found"):
        gpu_of(FakeDriverLibrary(), "00000000-0000-0000-0000-000000000000")


def test_theoretical_dram_bandwidth_of_an_h100_comes_from_its_clock_and_bus():
    assert gpu_of(FakeDriverLibrary()).dram_peak_gb_per_s() == pytest.approx(3352.3, abs=0.1)


def test_readings_come_in_the_units_of_the_report():
    gpu = gpu_of(FakeDriverLibrary())
    assert gpu.power_w() == 243.291
    assert gpu.energy_mj() == 3_957_645
    assert (gpu.clocks().sm_mhz, gpu.clocks().memory_mhz) == (1980, 2619)
    assert (gpu.memory().total_bytes, gpu.memory().free_bytes) == (80 * GIB, 79 * GIB)
    assert (gpu.utilization().gpu_percent, gpu.utilization().memory_percent) == (99.0, 60.0)


def test_another_process_on_the_gpu_is_named_and_our_own_and_our_children_are_not_listed():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        library = FakeDriverLibrary(FakeGpu(processes=[(os.getpid(), GIB), (child.pid, GIB), (1, 3 * GIB)]))
        others = gpu_of(library).other_processes()
    finally:
        child.communicate(b"\n")
    assert [(process.pid, process.used_bytes) for process in others] == [(1, 3 * GIB)]
    assert others[0].name


def test_a_process_outside_the_container_has_no_name_and_perhaps_no_memory():
    out_of_sight = 2**22 + 1  # above the largest process id that Linux gives
    library = FakeDriverLibrary(FakeGpu(processes=[(out_of_sight, None)]))
    assert gpu_of(library).other_processes() == [GpuProcess(out_of_sight, None, None)]


def test_clock_event_reasons_are_named_and_an_unknown_bit_is_shown():
    assert name_clock_event_reasons(0) == []
    assert name_clock_event_reasons(0x4 | 0x40) == ["power cap", "hardware thermal slowdown"]
    assert name_clock_event_reasons(0x1000) == ["0x1000"]


def test_a_power_cap_is_not_throttling_but_heat_and_brake_are():
    assert not 0x4 & THROTTLED_MASK
    assert not 0x1 & THROTTLED_MASK
    assert all(bit & THROTTLED_MASK for bit in (0x8, 0x20, 0x40, 0x80))


def test_pcie_counters_are_read_together_and_wrap_at_32_bits():
    gpu = gpu_of(FakeDriverLibrary(FakeGpu(pcie_rx_bytes=2**32 - 100, pcie_rx_bytes_per_read=60, pcie_tx_bytes=7)))
    before, after = gpu.pcie_counters(), gpu.pcie_counters()
    assert before == PcieCounters(tx_bytes=7, rx_bytes=2**32 - 40)
    assert after.rx_bytes == 20
    assert counter_difference_bytes(before.rx_bytes, after.rx_bytes) == 60


def test_a_field_that_fails_on_its_own_is_a_refusal_with_the_drivers_words():
    class NoPcie(FakeDriverLibrary):
        def nvmlDeviceGetFieldValues(self, gpu, field_ids):  # noqa: N802 - NVML's name
            return super()._field_values(gpu, [pynvml.NVML_FI_DEV_ECC_CURRENT for _ in field_ids])

    with pytest.raises(QueryRefused, match="Not Supported"):
        gpu_of(NoPcie()).pcie_counters()


def test_the_call_that_blocks_for_20_ms_is_never_made():
    library = FakeDriverLibrary()
    gpu_of(library).pcie_counters()
    assert library.count("nvmlDeviceGetPcieThroughput") == 0
    assert library.count("nvmlDeviceGetFieldValues") == 1
