from __future__ import annotations

import os

import psutil
import pynvml
import pytest

from profiler.device.driver import Driver, QueryRefused
from profiler.device.gpu import Gpu
from profiler.measure.telemetry import gpm, nvml
from profiler.measure.telemetry.gpm import GpmSource
from profiler.measure.telemetry.host import HostSource
from profiler.measure.telemetry.nvml import NvmlSource
from profiler.measure.telemetry.sampler import QUANTITIES, SamplerConfig, open_sources
from tests.fakes import H100_UUID, FakeDriverLibrary, FakeGpu

MS = 1_000_000


def make_gpu(library: FakeDriverLibrary) -> Gpu:
    return Gpu(Driver.open(library), H100_UUID)


def test_nvml_values_come_in_the_units_of_their_quantities() -> None:
    source = NvmlSource(make_gpu(FakeDriverLibrary(FakeGpu(power_mw=243_291, energy_mj=4_000, utilization_gpu=99))))
    source.begin(0)
    values = source.sample(50 * MS)[0].values
    assert values["power"] == pytest.approx(243.291)
    assert values["energy"] == 4.0
    assert values["nvml_gpu_busy"] == 0.99
    assert values["sm_clock"] == 1980
    assert values["memory_used"] == 2**30
    assert source.refused == {}


def test_pcie_traffic_is_counted_across_a_wrap_of_the_counter() -> None:
    gpu = FakeGpu(pcie_rx_bytes=2**32 - 100_000, pcie_rx_bytes_per_read=1_000_000, pcie_tx_bytes_per_read=50_000)
    source = NvmlSource(make_gpu(FakeDriverLibrary(gpu)))
    source.begin(0)
    traffic = source.sample(50 * MS)[1]
    assert (traffic.start_ns, traffic.end_ns) == (0, 50 * MS)
    assert traffic.values["pcie_h2d"] == pytest.approx(1_000_000 / 0.05 / 1e9)
    assert traffic.values["pcie_d2h"] == pytest.approx(50_000 / 0.05 / 1e9)


def test_a_window_in_which_the_pcie_counter_may_have_wrapped_twice_is_not_used() -> None:
    source = NvmlSource(make_gpu(FakeDriverLibrary(FakeGpu(pcie_rx_bytes_per_read=1_000_000))))
    source.begin(0)
    assert len(source.sample(80 * MS)) == 1
    assert len(source.sample(130 * MS)) == 2


def test_a_query_refused_in_the_middle_ends_its_series_and_no_other() -> None:
    library = FakeDriverLibrary()
    library.refuse("nvmlDeviceGetPowerUsage", after=2)
    source = NvmlSource(make_gpu(library))
    source.begin(0)
    seen = [source.sample(i * 50 * MS)[0].values for i in range(1, 6)]
    assert ["power" in values for values in seen] == [True, True, False, False, False]
    assert all("sm_clock" in values for values in seen)
    assert source.refused == {"power": "Not Supported"}
    assert library.count("nvmlDeviceGetPowerUsage") == 3  # not asked again


def test_a_refusal_in_one_pass_is_forgotten_in_the_next() -> None:
    library = FakeDriverLibrary()
    source = NvmlSource(make_gpu(library))
    library.refuse("nvmlDeviceGetFieldValues")
    source.begin(0)
    assert set(source.refused) == {"pcie_h2d", "pcie_d2h"}
    library.refuse("nvmlDeviceGetFieldValues", after=10)
    source.begin(0)
    assert source.refused == {}


def test_a_gpu_that_is_lost_leaves_every_series_with_the_reason() -> None:
    library = FakeDriverLibrary()
    gpu = make_gpu(library)
    sources = [NvmlSource(gpu), GpmSource(gpu)]
    for source in sources:
        source.begin(0)
    library.refuse_everything()
    for source, quantities in zip(sources, (nvml.QUANTITIES, gpm.QUANTITIES), strict=True):
        samples = source.sample(500 * MS)
        assert all(not sample.values for sample in samples)
        assert set(source.refused) == {quantity.name for quantity in quantities}
        assert set(source.refused.values()) == {"GPU is lost"}


def test_gpm_percentages_become_ratios_and_dram_becomes_bytes() -> None:
    source = GpmSource(make_gpu(FakeDriverLibrary()))
    source.begin(0)
    [window] = source.sample(500 * MS)
    assert (window.start_ns, window.end_ns) == (0, 500 * MS)
    assert window.values["gpu_active"] == pytest.approx(0.99)
    assert window.values["dram_utilization"] == pytest.approx(0.625)
    # an H100: 2 x 2,619 MHz x 5,120 bits / 8 = 3,352 GB/s
    assert window.values["dram_bandwidth"] == pytest.approx(0.625 * 3352.3, rel=1e-4)
    assert set(window.values) == {quantity.name for quantity in gpm.QUANTITIES}


def test_what_the_device_receives_is_host_to_device() -> None:
    gpu = FakeGpu()
    gpu.gpm_metrics[pynvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC] = 50_000.0
    gpu.gpm_metrics[pynvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC] = 10.0
    source = GpmSource(make_gpu(FakeDriverLibrary(gpu)))
    source.begin(0)
    values = source.sample(500 * MS)[0].values
    assert values["pcie_h2d"] == pytest.approx(50_000 * 2**20 / 1e9)
    assert values["pcie_d2h"] == pytest.approx(10 * 2**20 / 1e9)


def test_gpm_windows_follow_each_other_without_a_gap() -> None:
    source = GpmSource(make_gpu(FakeDriverLibrary()))
    source.begin(0)
    windows = [source.sample(now_ns)[0] for now_ns in (500 * MS, 1001 * MS)]
    assert [(window.start_ns, window.end_ns) for window in windows] == [(0, 500 * MS), (500 * MS, 1001 * MS)]


def test_a_metric_that_gpm_refuses_is_missing_and_the_others_are_there() -> None:
    gpu = FakeGpu(gpm_returns={pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL: pynvml.NVML_ERROR_NOT_SUPPORTED})
    source = GpmSource(make_gpu(FakeDriverLibrary(gpu)))
    source.begin(0)
    [window] = source.sample(500 * MS)
    assert "dram_bandwidth" not in window.values
    assert "sm_utilization" in window.values
    assert source.refused == {"dram_utilization": "Not Supported", "dram_bandwidth": "Not Supported"}


def test_a_bus_width_that_is_refused_costs_only_the_bytes() -> None:
    library = FakeDriverLibrary()
    library.refuse("nvmlDeviceGetMemoryBusWidth")
    source = GpmSource(make_gpu(library))
    source.begin(0)
    values = source.sample(500 * MS)[0].values
    assert "dram_utilization" in values
    assert "dram_bandwidth" not in values
    assert source.refused == {"dram_bandwidth": "Not Supported"}


def test_the_driver_gets_its_gpm_samples_back() -> None:
    library = FakeDriverLibrary()
    source = GpmSource(make_gpu(library))
    assert library.open_gpm_samples
    source.close()
    assert not library.open_gpm_samples


def test_without_gpm_the_other_sources_stay() -> None:
    library = FakeDriverLibrary(FakeGpu(gpm_supported=False))
    sources, missing = open_sources(SamplerConfig(pid=os.getpid(), gpu_uuid=H100_UUID), library)
    assert [source.name for source in sources] == ["nvml", "host"]
    assert set(missing) == {"gpm"}
    assert "no GPM counters" in missing["gpm"]["dram_bandwidth"]


def test_without_a_driver_the_host_stays() -> None:
    library = FakeDriverLibrary()
    library.refuse("nvmlInit", pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    sources, missing = open_sources(SamplerConfig(pid=os.getpid(), gpu_uuid=H100_UUID), library)
    assert [source.name for source in sources] == ["host"]
    assert "NVML does not start" in missing["nvml"]["power"]


def test_without_a_gpu_every_gpu_series_says_so() -> None:
    sources, missing = open_sources(SamplerConfig(pid=os.getpid(), gpu_uuid=None), FakeDriverLibrary())
    assert [source.name for source in sources] == ["host"]
    reasons = {reason for quantities in missing.values() for reason in quantities.values()}
    assert reasons == {"the phase did not run on a GPU"}


def test_a_driver_that_does_not_know_the_gpu_is_no_error() -> None:
    _, missing = open_sources(SamplerConfig(pid=os.getpid(), gpu_uuid="another"), FakeDriverLibrary())
    assert set(missing) == {"nvml", "gpm"}


def test_gpm_that_cannot_be_had_is_refused_at_once() -> None:
    with pytest.raises(QueryRefused):
        GpmSource(make_gpu(FakeDriverLibrary(FakeGpu(gpm_supported=False))))


def test_the_host_source_reads_this_process() -> None:
    source = HostSource(os.getpid())
    source.begin(0)
    [sample] = source.sample(250 * MS)
    assert sample.end_ns - sample.start_ns == 250 * MS
    assert set(sample.values) | set(source.refused) == {quantity.name for quantity in QUANTITIES["host"]}
    assert 0 < sample.values["host_memory_used"] < psutil.virtual_memory().total


def test_disk_reads_are_a_rate_over_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = iter([10_000_000, 260_000_000])

    class Counters:
        def __init__(self) -> None:
            self.read_bytes = next(reads)

    source = HostSource(os.getpid())
    monkeypatch.setattr(psutil.Process, "io_counters", lambda self: Counters())
    source.begin(1_000 * MS)
    [sample] = source.sample(1_250 * MS)
    assert sample.values["disk_read"] == pytest.approx(1.0)  # 250 MB in 250 ms


def test_a_process_that_may_not_be_read_is_a_reason_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: psutil.Process) -> None:
        raise psutil.AccessDenied(self.pid)

    source = HostSource(os.getpid())
    monkeypatch.setattr(psutil.Process, "io_counters", denied)
    source.begin(0)
    [sample] = source.sample(250 * MS)
    assert "disk_read" not in sample.values
    assert "host_memory_used" in sample.values
    assert "psutil" in source.refused["disk_read"]


def test_series_names_are_unique_within_a_source() -> None:
    for quantities in QUANTITIES.values():
        names = [quantity.name for quantity in quantities]
        assert len(names) == len(set(names))
