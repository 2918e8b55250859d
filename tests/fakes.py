"""Stand-ins for what a test machine lacks. `FakeDriverLibrary` is NVML (the module `pynvml`) without a GPU.

    library = FakeDriverLibrary(FakeGpu(energy_mj_per_read=500))
    driver = Driver.open(library)
    library.refuse("nvmlDeviceGetPowerUsage", after=3)      # the fourth call and every later one fails
    library.lack("nvmlGpmQueryDeviceSupport")               # an older library: no such function
    assert library.count("nvmlDeviceGetPowerUsage") == 0    # every call is recorded

Constants, structures and `NVMLError` are pynvml's own; only the functions are answered from a `FakeGpu`, whose
fields may be changed at any time. The numbers it starts with are those of an H100 80GB HBM3. A library can be
pickled until it is first called.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

H100_UUID = "5f0f3d6c-1b2e-4a6d-9c8b-7e6f5a4b3c2d"
GIB = 2**30


def _h100_gpm_metrics() -> dict[int, float]:
    """One window of a decode phase, as recorded."""
    return {
        pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL: 99.0,
        pynvml.NVML_GPM_METRIC_SM_UTIL: 78.1,
        pynvml.NVML_GPM_METRIC_SM_OCCUPANCY: 31.4,
        pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL: 5.9,
        pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL: 62.5,
        pynvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC: 12.6,
        pynvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC: 119.6,
        pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC: 0.0,
        pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC: 0.0,
    }


@dataclass
class FakeGpu:
    """One GPU as NVML sees it, in NVML's own units. `*_per_read` moves a counter on at each read."""

    uuid: str = H100_UUID  # as torch writes it, without "GPU-"
    name: str = "NVIDIA H100 80GB HBM3"
    memory_total_bytes: int = 80 * GIB
    memory_used_bytes: int = 1 * GIB
    processes: list[tuple[int, int | None]] = field(default_factory=list)  # (pid, bytes)
    clock_event_reasons: int = 0
    energy_mj: int = 3_957_645
    energy_mj_per_read: int = 0
    power_mw: int = 243_291
    sm_mhz: int = 1980
    memory_mhz: int = 2619
    max_sm_mhz: int = 1980
    max_memory_mhz: int = 2619
    bus_width_bits: int = 5120
    utilization_gpu: int = 99
    utilization_memory: int = 60
    pcie_tx_bytes: int = 0
    pcie_rx_bytes: int = 0
    pcie_tx_bytes_per_read: int = 0
    pcie_rx_bytes_per_read: int = 0
    gpm_supported: bool = True
    gpm_metrics: dict[int, float] = field(default_factory=_h100_gpm_metrics)
    gpm_returns: dict[int, int] = field(default_factory=dict)  # metric id -> nvmlReturn, where not success


class FakeDriverLibrary:
    """NVML with the GPUs given. Hand it wherever pynvml goes."""

    def __init__(self, *gpus: FakeGpu, driver_version: str = "580.159.04") -> None:
        self.gpus = list(gpus) or [FakeGpu()]
        self.driver_version = driver_version
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.open_gpm_samples: set[int] = set()
        self._refusals: dict[str, tuple[int, int]] = {}  # name -> (error code, calls to answer first)
        self._lacking: set[str] = set()
        self._samples_made = 0

    def refuse(self, name: str, error: int = pynvml.NVML_ERROR_NOT_SUPPORTED, *, after: int = 0) -> None:
        """Answer `after` more calls of `name`, then raise NVMLError(error) at each."""
        self._refusals[name] = (error, self.count(name) + after)

    def refuse_everything(self, error: int = pynvml.NVML_ERROR_GPU_IS_LOST) -> None:
        """From now on every call fails, as when the GPU has fallen off the bus."""
        for name in _ANSWERS:
            self.refuse(name, error)

    def lack(self, name: str) -> None:
        """Have no such function, as an older library."""
        self._lacking.add(name)

    def count(self, name: str) -> int:
        """How often `name` was called."""
        return sum(called == name for called, _ in self.calls)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._lacking:
            raise AttributeError(f"module 'pynvml' has no attribute '{name}'")
        answer = _ANSWERS.get(name)
        if answer is None:
            if name.startswith("nvml") and callable(getattr(pynvml, name, None)):
                raise NotImplementedError(f"FakeDriverLibrary does not answer {name}: teach it")
            return getattr(pynvml, name)

        def call(*args: Any) -> Any:
            self.calls.append((name, args))
            error, answered_calls = self._refusals.get(name, (0, 0))
            if error and self.count(name) > answered_calls:
                raise pynvml.NVMLError(error)
            return answer(self, *args)

        return call

    # what each function answers

    def _handle_by_uuid(self, uuid: str) -> FakeGpu:
        for gpu in self.gpus:
            if uuid == f"GPU-{gpu.uuid}":
                return gpu
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def _energy(self, gpu: FakeGpu) -> int:
        gpu.energy_mj += gpu.energy_mj_per_read
        return gpu.energy_mj

    def _clock(self, gpu: FakeGpu, kind: int) -> int:
        return gpu.memory_mhz if kind == pynvml.NVML_CLOCK_MEM else gpu.sm_mhz

    def _max_clock(self, gpu: FakeGpu, kind: int) -> int:
        return gpu.max_memory_mhz if kind == pynvml.NVML_CLOCK_MEM else gpu.max_sm_mhz

    def _field_values(self, gpu: FakeGpu, field_ids: list[int]) -> list[Any]:
        gpu.pcie_tx_bytes += gpu.pcie_tx_bytes_per_read
        gpu.pcie_rx_bytes += gpu.pcie_rx_bytes_per_read
        counters = {
            pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES: gpu.pcie_tx_bytes,
            pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES: gpu.pcie_rx_bytes,
        }
        values = (pynvml.c_nvmlFieldValue_t * len(field_ids))()
        for value, field_id in zip(values, field_ids, strict=True):
            value.fieldId = field_id
            if field_id in counters:
                value.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
                value.value.uiVal = counters[field_id] % 2**32
            else:
                value.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
        return list(values)

    def _gpm_support(self, gpu: FakeGpu) -> Any:
        return SimpleNamespace(isSupportedDevice=int(gpu.gpm_supported))

    def _gpm_alloc(self) -> Any:
        self._samples_made += 1
        self.open_gpm_samples.add(self._samples_made)
        return ctypes.cast(self._samples_made, pynvml.c_nvmlGpmSample_t)

    def _gpm_free(self, sample: Any) -> None:
        self.open_gpm_samples.remove(_sample_number(sample))

    def _gpm_sample(self, gpu: FakeGpu, sample: Any) -> Any:
        if _sample_number(sample) not in self.open_gpm_samples:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return sample

    def _gpm_metrics(self, request: Any) -> Any:
        gpu = self.gpus[0]
        for metric in request.metrics[: request.numMetrics]:
            metric.nvmlReturn = gpu.gpm_returns.get(metric.metricId, pynvml.NVML_SUCCESS)
            if metric.metricId not in gpu.gpm_metrics:
                metric.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
            elif metric.nvmlReturn == pynvml.NVML_SUCCESS:
                metric.value = gpu.gpm_metrics[metric.metricId]
        return request


def _sample_number(sample: Any) -> int | None:
    return ctypes.cast(sample, ctypes.c_void_p).value


_ANSWERS: dict[str, Callable[..., Any]] = {
    "nvmlInit": lambda library: None,
    "nvmlShutdown": lambda library: None,
    "nvmlSystemGetDriverVersion": lambda library: library.driver_version,
    "nvmlDeviceGetCount": lambda library: len(library.gpus),
    "nvmlDeviceGetHandleByIndex": lambda library, index: library.gpus[index],
    "nvmlDeviceGetUUID": lambda library, gpu: f"GPU-{gpu.uuid}",
    "nvmlDeviceGetHandleByUUID": FakeDriverLibrary._handle_by_uuid,
    "nvmlDeviceGetName": lambda library, gpu: gpu.name,
    "nvmlDeviceGetMemoryInfo": lambda library, gpu: SimpleNamespace(
        total=gpu.memory_total_bytes, used=gpu.memory_used_bytes, free=gpu.memory_total_bytes - gpu.memory_used_bytes
    ),
    "nvmlDeviceGetComputeRunningProcesses": lambda library, gpu: [
        SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in gpu.processes
    ],
    "nvmlDeviceGetCurrentClocksEventReasons": lambda library, gpu: gpu.clock_event_reasons,
    "nvmlDeviceGetTotalEnergyConsumption": FakeDriverLibrary._energy,
    "nvmlDeviceGetPowerUsage": lambda library, gpu: gpu.power_mw,
    "nvmlDeviceGetClockInfo": FakeDriverLibrary._clock,
    "nvmlDeviceGetMaxClockInfo": FakeDriverLibrary._max_clock,
    "nvmlDeviceGetMemoryBusWidth": lambda library, gpu: gpu.bus_width_bits,
    "nvmlDeviceGetUtilizationRates": lambda library, gpu: SimpleNamespace(
        gpu=gpu.utilization_gpu, memory=gpu.utilization_memory
    ),
    "nvmlDeviceGetFieldValues": FakeDriverLibrary._field_values,
    "nvmlGpmQueryDeviceSupport": FakeDriverLibrary._gpm_support,
    "nvmlGpmSampleAlloc": FakeDriverLibrary._gpm_alloc,
    "nvmlGpmSampleFree": FakeDriverLibrary._gpm_free,
    "nvmlGpmSampleGet": FakeDriverLibrary._gpm_sample,
    "nvmlGpmMetricsGet": FakeDriverLibrary._gpm_metrics,
}
