"""GPM's counters over windows long enough to be right (see profiler/device/gpm.py)."""

from __future__ import annotations

from profiler.device.driver import QueryRefused
from profiler.device.gpm import SHORTEST_WINDOW_S, GpmSampler
from profiler.device.gpu import Gpu
from profiler.measure.telemetry.source import Quantity, Sample
from profiler.report.vocabulary import Tier

NAME = "gpm"

# Our name and unit for each metric, and the factor from GPM's percent or MiB/s.
_PERCENT = 0.01
_MIB_PER_S = 2**20 / 1e9
_METRICS = {
    "GRAPHICS_UTIL": ("gpu_active", "ratio", _PERCENT, "share of time in which the GPU had work"),
    "SM_UTIL": ("sm_utilization", "ratio", _PERCENT, "SMs with a warp on them, averaged over time"),
    "SM_OCCUPANCY": ("sm_occupancy", "ratio", _PERCENT, "warps on the SMs over the most that fit"),
    "ANY_TENSOR_UTIL": ("tensor_utilization", "ratio", _PERCENT, "matrix units in use, averaged over time"),
    "DRAM_BW_UTIL": ("dram_utilization", "ratio", _PERCENT, "of the theoretical peak"),
    "PCIE_RX_PER_SEC": ("pcie_h2d", "GB/s", _MIB_PER_S, "protocol overhead included"),
    "PCIE_TX_PER_SEC": ("pcie_d2h", "GB/s", _MIB_PER_S, "protocol overhead included"),
    "NVLINK_TOTAL_RX_PER_SEC": ("nvlink_rx", "GB/s", _MIB_PER_S, "all links together"),
    "NVLINK_TOTAL_TX_PER_SEC": ("nvlink_tx", "GB/s", _MIB_PER_S, "all links together"),
}
_DRAM_NOTE = "GPM's utilization times the theoretical peak, 2 x memory clock x bus width / 8"

QUANTITIES = (
    Quantity(name="dram_bandwidth", unit="GB/s", tier=Tier.DRIVER, note=_DRAM_NOTE),
    *(Quantity(name=name, unit=unit, tier=Tier.DRIVER, note=note) for name, unit, _, note in _METRICS.values()),
)


class GpmSource:
    """Reads GPM in windows of half a second."""

    name = NAME
    interval_ns = int(SHORTEST_WINDOW_S * 1e9)

    def __init__(self, gpu: Gpu) -> None:
        """Raises `QueryRefused` where the GPU has no GPM."""
        self._gpu = gpu
        self._sampler = GpmSampler(gpu, tuple(_METRICS))
        self.refused: dict[str, str] = {}
        self._window_start_ns: int | None = None
        self._dram_peak_gb_per_s: float | None = None

    def begin(self, now_ns: int) -> None:
        """Begin the first window now."""
        self.refused = {}
        self._window_start_ns = None
        try:
            self._dram_peak_gb_per_s = self._gpu.dram_peak_gb_per_s()
        except QueryRefused as refusal:
            self.refused["dram_bandwidth"] = refusal.reason
        try:
            self._sampler.mark()
            self._window_start_ns = now_ns
        except QueryRefused as refusal:
            self._refuse_all(refusal.reason)

    def sample(self, now_ns: int) -> list[Sample]:
        """The window since the last call."""
        if self._window_start_ns is None:
            return []
        try:
            self._sampler.mark()
            readings = self._sampler.read()
        except QueryRefused as refusal:
            self._window_start_ns = None
            self._refuse_all(refusal.reason)
            return []
        values = {}
        for metric, (name, _, factor, _) in _METRICS.items():
            reading = readings[metric]
            if reading.value is None:
                self.refused[name] = reading.missing or "the driver gave no value"
            else:
                values[name] = reading.value * factor
        if "dram_utilization" not in values:
            self.refused["dram_bandwidth"] = self.refused["dram_utilization"]
        elif self._dram_peak_gb_per_s is not None:
            values["dram_bandwidth"] = values["dram_utilization"] * self._dram_peak_gb_per_s
        start_ns, self._window_start_ns = self._window_start_ns, now_ns
        return [Sample(source=NAME, start_ns=start_ns, end_ns=now_ns, values=values)]

    def close(self) -> None:
        """Free the driver's samples."""
        self._sampler.close()

    def _refuse_all(self, reason: str) -> None:
        self.refused.update({quantity.name: reason for quantity in QUANTITIES})
