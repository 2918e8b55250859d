"""NVML's readings: clocks, power, energy, memory in use, and the coarse signs of life."""

from __future__ import annotations

from collections.abc import Callable

from profiler.device.driver import QueryRefused
from profiler.device.gpu import PCIE_COUNTER_WRAP, Gpu, PcieCounters, counter_difference_bytes
from profiler.measure.telemetry.source import Kind, Quantity, Sample
from profiler.report.vocabulary import Tier

NAME = "nvml"
INTERVAL_NS = 50_000_000  # the PCIe counters wrap every 68 ms of a full Gen5 x16 bus
FASTEST_BUS_BYTES_PER_S = 63.0e9  # PCIe 5.0 x16: 32 GT/s x 16 lanes x 128/130 / 8
LONGEST_COUNTER_WINDOW_NS = int(PCIE_COUNTER_WRAP / FASTEST_BUS_BYTES_PER_S * 1e9)

_COARSE = "share of time in which some kernel ran, over the driver's own window: coarse, never decisive"
_COUNTER = "from the driver's byte counters"

QUANTITIES = (
    Quantity(name="sm_clock", unit="MHz", tier=Tier.DRIVER),
    Quantity(name="memory_clock", unit="MHz", tier=Tier.DRIVER),
    Quantity(name="power", unit="W", tier=Tier.DRIVER, note="the driver's average over up to 1 s"),
    Quantity(name="energy", unit="J", tier=Tier.DRIVER, kind=Kind.COUNTER),
    Quantity(name="memory_used", unit="bytes", tier=Tier.DRIVER, note="all processes on the device"),
    Quantity(name="clock_event_reasons", unit="bitmask", tier=Tier.DRIVER, kind=Kind.BITS),
    Quantity(name="nvml_gpu_busy", unit="ratio", tier=Tier.DRIVER, note=_COARSE),
    Quantity(name="pcie_h2d", unit="GB/s", tier=Tier.DRIVER, note=_COUNTER),
    Quantity(name="pcie_d2h", unit="GB/s", tier=Tier.DRIVER, note=_COUNTER),
)


class NvmlSource:
    """Reads one GPU's instantaneous values, and PCIe traffic as a difference of counters."""

    name = NAME
    interval_ns = INTERVAL_NS

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._readings: tuple[tuple[tuple[str, ...], Callable[[], tuple[float, ...]]], ...] = (
            (("sm_clock", "memory_clock"), self._clocks),
            (("power",), lambda: (gpu.power_w(),)),
            (("energy",), lambda: (gpu.energy_mj() / 1000,)),
            (("memory_used",), lambda: (gpu.memory().used_bytes,)),
            (("clock_event_reasons",), lambda: (gpu.clock_event_reasons(),)),
            (("nvml_gpu_busy",), lambda: (gpu.utilization().gpu_percent / 100,)),
        )
        self.refused: dict[str, str] = {}
        self._last_counters: tuple[int, PcieCounters] | None = None

    def begin(self, now_ns: int) -> None:
        """Start anew."""
        self.refused = {}
        self._last_counters = None
        self._pcie(now_ns)

    def sample(self, now_ns: int) -> list[Sample]:
        """One sample of this moment, and one of the PCIe traffic since the last."""
        values: dict[str, float] = {}
        for names, read in self._readings:
            if names[0] in self.refused:
                continue
            try:
                values.update(zip(names, read(), strict=True))
            except QueryRefused as refusal:
                self.refused.update(dict.fromkeys(names, refusal.reason))
        return [Sample(source=NAME, start_ns=now_ns, end_ns=now_ns, values=values), *self._pcie(now_ns)]

    def close(self) -> None:
        """Nothing is held."""

    def _clocks(self) -> tuple[float, float]:
        clocks = self._gpu.clocks()
        return clocks.sm_mhz, clocks.memory_mhz

    def _pcie(self, now_ns: int) -> list[Sample]:
        if "pcie_h2d" in self.refused:
            return []
        try:
            counters = self._gpu.pcie_counters()
        except QueryRefused as refusal:
            self.refused.update(dict.fromkeys(("pcie_h2d", "pcie_d2h"), refusal.reason))
            return []
        last, self._last_counters = self._last_counters, (now_ns, counters)
        if last is None or not 0 < now_ns - last[0] <= LONGEST_COUNTER_WINDOW_NS:
            return []  # in a longer window a counter can have wrapped more than once
        start_ns, before = last
        values = {  # bytes a nanosecond are GB/s; rx is what the device receives
            "pcie_h2d": counter_difference_bytes(before.rx_bytes, counters.rx_bytes) / (now_ns - start_ns),
            "pcie_d2h": counter_difference_bytes(before.tx_bytes, counters.tx_bytes) / (now_ns - start_ns),
        }
        return [Sample(source=NAME, start_ns=start_ns, end_ns=now_ns, values=values)]
