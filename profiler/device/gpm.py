"""GPM: the driver's counters over a window, without root and without slowing the workload (Hopper and newer).

Windows under 200 ms were seen to read zeros or too low; from 500 ms on they agree with other counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from profiler.device.driver import QueryRefused
from profiler.device.gpu import Gpu

SHORTEST_WINDOW_S = 0.5

# pynvml names without "NVML_GPM_METRIC_". Percentages, but for `*_PER_SEC`, which are MiB/s: PCIE_TX is device to host.
METRICS = (
    "GRAPHICS_UTIL",
    "SM_UTIL",
    "SM_OCCUPANCY",
    "ANY_TENSOR_UTIL",
    "DRAM_BW_UTIL",
    "PCIE_TX_PER_SEC",
    "PCIE_RX_PER_SEC",
    "NVLINK_TOTAL_TX_PER_SEC",
    "NVLINK_TOTAL_RX_PER_SEC",
)


@dataclass(frozen=True, slots=True)
class GpmReading:
    """One metric over one window: its value, or why there is none."""

    value: float | None
    missing: str | None = None


class GpmSampler:
    """Reads metrics over the window between two marks. Close it, or use it as a context manager."""

    def __init__(self, gpu: Gpu, metrics: Sequence[str] = METRICS) -> None:
        """Raises `QueryRefused` where the GPU has no GPM."""
        self._gpu = gpu
        self._driver = gpu.driver
        self._metrics = tuple(metrics)
        self._samples: list[Any] = []  # the older mark, the newer mark
        self._marks = 0
        if not gpu.supports_gpm():
            raise QueryRefused("nvmlGpmQueryDeviceSupport", "this GPU has no GPM counters (Hopper and newer have)")
        try:
            self._samples += [self._driver.query("nvmlGpmSampleAlloc")]
            self._samples += [self._driver.query("nvmlGpmSampleAlloc")]
        except QueryRefused:
            self.close()
            raise

    def mark(self) -> None:
        """End the last window and begin the next (0.17 ms).

        Raises `QueryRefused`; the last mark then still stands, so that the next one ends a longer window.
        """
        try:
            self._driver.query("nvmlGpmSampleGet", self._gpu.handle, self._samples[0])
        except QueryRefused:
            self._marks = min(self._marks, 1)
            raise
        self._samples.reverse()
        self._marks += 1

    def read(self) -> dict[str, GpmReading]:
        """Every metric over the window between the last two marks. Raises `QueryRefused` if the driver gives none.

        Must not be called before two marks in a row succeeded.
        """
        if self._marks < 2:
            raise ValueError("a window needs two marks")
        known = [(name, self._metric_id(name)) for name in self._metrics]
        asked = [(name, number) for name, number in known if number is not None]
        request = self._driver.constant("c_nvmlGpmMetricsGet_t")()
        request.version = self._driver.constant("NVML_GPM_METRICS_GET_VERSION")
        request.numMetrics = len(asked)
        request.sample1, request.sample2 = self._samples
        for slot, (_, number) in enumerate(asked):
            request.metrics[slot].metricId = number
        answer = self._driver.query("nvmlGpmMetricsGet", request)
        readings = {name: GpmReading(None, "this version of nvidia-ml-py does not know it") for name in self._metrics}
        for slot, (name, _) in enumerate(asked):
            metric = answer.metrics[slot]
            readings[name] = (
                GpmReading(None, self._driver.explain(metric.nvmlReturn))
                if metric.nvmlReturn
                else GpmReading(float(metric.value))
            )
        return readings

    def close(self) -> None:
        """Free the samples."""
        while self._samples:
            sample = self._samples.pop()
            try:
                self._driver.query("nvmlGpmSampleFree", sample)
            except QueryRefused:  # the GPU is gone, and its samples with it
                continue

    def __enter__(self) -> GpmSampler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _metric_id(self, name: str) -> int | None:
        try:
            return int(self._driver.constant(f"NVML_GPM_METRIC_{name}"))
        except QueryRefused:
            return None
