"""The host's side: what the profiled process and its machine are doing."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from profiler.device.other_processes import others_cpu_s
from profiler.measure.telemetry.source import Quantity, Sample
from profiler.report.vocabulary import Tier

NAME = "host"
INTERVAL_NS = 250_000_000  # CPU times count ticks of 10 ms: 4% of a window

QUANTITIES = (
    Quantity(name="cpu_process", unit="cores", tier=Tier.HOST, note="1 is one core kept busy by the profiled process"),
    Quantity(name="cpu_others", unit="cores", tier=Tier.HOST, note="kept busy by everything but the profiled process"),
    Quantity(name="cpu_busiest_core", unit="ratio", tier=Tier.HOST, note="whatever ran on it"),
    Quantity(name="host_memory_used", unit="bytes", tier=Tier.HOST, note="all processes on the machine"),
    Quantity(name="disk_read", unit="GB/s", tier=Tier.HOST, note="by the profiled process, from storage"),
)


class HostSource:
    """Reads psutil, about the process `pid`."""

    name = NAME
    interval_ns = INTERVAL_NS

    def __init__(self, pid: int) -> None:
        """Raises `psutil.Error` when there is no such process."""
        self._process = psutil.Process(pid)
        self._readings: dict[str, Callable[[int], float]] = {
            "cpu_process": lambda _: self._process.cpu_percent() / 100,
            "cpu_others": self._others_cores,
            "cpu_busiest_core": lambda _: max(psutil.cpu_percent(percpu=True)) / 100,
            "host_memory_used": lambda _: _memory_used_bytes(),
            "disk_read": self._disk_read_gb_per_s,
        }
        self.refused: dict[str, str] = {}
        self._window_start_ns = 0
        self._read_bytes = 0
        self._others_s = 0.0

    def begin(self, now_ns: int) -> None:
        """Start all differences anew."""
        self.refused = {}
        self._read(now_ns)

    def sample(self, now_ns: int) -> list[Sample]:
        """The window since the last call."""
        start_ns = self._window_start_ns
        return [Sample(source=NAME, start_ns=start_ns, end_ns=now_ns, values=self._read(now_ns))]

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, now_ns: int) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, read in self._readings.items():
            if name in self.refused:
                continue
            try:
                values[name] = read(now_ns - self._window_start_ns)
            except (psutil.Error, OSError, AttributeError, NotImplementedError) as error:
                self.refused[name] = f"psutil: {error}"
        self._window_start_ns = now_ns
        return values

    def _others_cores(self, window_ns: int) -> float:
        before_s, self._others_s = self._others_s, others_cpu_s(self._process)
        others_s = max(self._others_s - before_s, 0.0)
        return round(others_s / max(1, window_ns) * 1e9, 2)  # finer than the ticks that CPU times count in

    def _disk_read_gb_per_s(self, window_ns: int) -> float:
        before, self._read_bytes = self._read_bytes, self._process.io_counters().read_bytes
        return (self._read_bytes - before) / max(1, window_ns)


def _memory_used_bytes() -> float:
    memory = psutil.virtual_memory()
    return memory.total - memory.available
