"""What the driver says about one GPU, in the report's units. Every method raises `QueryRefused` for a refusal."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil

from profiler.device.base import Device
from profiler.device.driver import Driver, DriverUnavailable, QueryRefused

# nvmlClocksEventReasons* in nvml.h
CLOCK_EVENT_REASONS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
    0x100: "display clocks",
}
# What makes the numbers of a run untrustworthy. A power cap is normal under large GEMMs, and only a warning.
THROTTLED_MASK = 0x8 | 0x20 | 0x40 | 0x80
POWER_CAP_MASK = 0x4

# Fields of nvmlDeviceGetFieldValues; both count bytes and wrap at 32 bits.
PCIE_COUNTER_WRAP = 2**32


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """Device memory, all processes together."""

    total_bytes: int
    used_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process with a context on the GPU. `name` is None where it cannot be seen, as outside a container."""

    pid: int
    name: str | None
    used_bytes: int | None


@dataclass(frozen=True, slots=True)
class Utilization:
    """Percent of time that some kernel ran, and that memory was touched: coarse, never decisive."""

    gpu_percent: float
    memory_percent: float


@dataclass(frozen=True, slots=True)
class PcieCounters:
    """Bytes since the driver started, modulo 2^32. `tx` is device to host, `rx` is host to device."""

    tx_bytes: int
    rx_bytes: int


@dataclass(frozen=True, slots=True)
class Clocks:
    """Clocks at this moment."""

    sm_mhz: int
    memory_mhz: int


class Gpu:
    """One GPU, asked through the driver."""

    def __init__(self, driver: Driver, uuid: str) -> None:
        """`uuid` as torch or as NVML writes it: NVML ignores CUDA_VISIBLE_DEVICES, so an index would lie.

        Raises `QueryRefused` when the driver knows no such GPU.
        """
        self.driver = driver
        self.uuid = uuid.removeprefix("GPU-")
        self.handle = driver.query("nvmlDeviceGetHandleByUUID", f"GPU-{self.uuid}")

    def memory(self) -> MemoryInfo:
        """Device memory in use."""
        info = self.driver.query("nvmlDeviceGetMemoryInfo", self.handle)
        return MemoryInfo(total_bytes=int(info.total), used_bytes=int(info.used), free_bytes=int(info.free))

    def processes(self) -> list[GpuProcess]:
        """All compute processes. The driver may count process ids outside this container; those have no name here."""
        return [
            GpuProcess(row.pid, _process_name(row.pid), None if row.usedGpuMemory is None else int(row.usedGpuMemory))
            for row in self.driver.query("nvmlDeviceGetComputeRunningProcesses", self.handle)
        ]

    def other_processes(self) -> list[GpuProcess]:
        """Compute processes other than this one and its descendants.

        Where the driver counts process ids outside this container, one without a name may be this process.
        """
        ours = _own_process_ids()
        return [process for process in self.processes() if process.pid not in ours]

    def name(self) -> str:
        """The maker's name of it."""
        name = self.driver.query("nvmlDeviceGetName", self.handle)
        return name.decode() if isinstance(name, bytes) else str(name)

    def clock_event_reasons(self) -> int:
        """Why the clocks are what they are, as bits; `name_clock_event_reasons` names them."""
        return int(self.driver.query("nvmlDeviceGetCurrentClocksEventReasons", self.handle))

    def energy_mj(self) -> int:
        """Energy since the driver was loaded. Take differences: power is a 1 s average on Hopper."""
        return int(self.driver.query("nvmlDeviceGetTotalEnergyConsumption", self.handle))

    def power_w(self) -> float:
        """Power, averaged by the driver over up to a second."""
        return int(self.driver.query("nvmlDeviceGetPowerUsage", self.handle)) / 1000

    def clocks(self) -> Clocks:
        """SM and memory clocks now."""
        return Clocks(
            sm_mhz=int(self._clock("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM")),
            memory_mhz=int(self._clock("nvmlDeviceGetClockInfo", "NVML_CLOCK_MEM")),
        )

    def utilization(self) -> Utilization:
        """Coarse utilisation over the driver's last window."""
        rates = self.driver.query("nvmlDeviceGetUtilizationRates", self.handle)
        return Utilization(gpu_percent=float(rates.gpu), memory_percent=float(rates.memory))

    def pcie_counters(self) -> PcieCounters:
        """PCIe byte counters, 0.24 ms a read (`nvmlDeviceGetPcieThroughput` would block 20 ms)."""
        wanted = [
            self.driver.constant("NVML_FI_DEV_PCIE_COUNT_TX_BYTES"),
            self.driver.constant("NVML_FI_DEV_PCIE_COUNT_RX_BYTES"),
        ]
        values = self.driver.query("nvmlDeviceGetFieldValues", self.handle, wanted)
        for value in values:
            if value.nvmlReturn:
                raise QueryRefused("nvmlDeviceGetFieldValues", self.driver.explain(value.nvmlReturn))
        tx, rx = (int(value.value.ullVal) % PCIE_COUNTER_WRAP for value in values)
        return PcieCounters(tx_bytes=tx, rx_bytes=rx)

    def dram_peak_gb_per_s(self) -> float:
        """Theoretical DRAM bandwidth: 2 transfers a clock x the highest memory clock x bus width / 8."""
        clock_mhz = int(self._clock("nvmlDeviceGetMaxClockInfo", "NVML_CLOCK_MEM"))
        bus_bits = int(self.driver.query("nvmlDeviceGetMemoryBusWidth", self.handle))
        return 2 * clock_mhz * 1e6 * bus_bits / 8 / 1e9

    def supports_gpm(self) -> bool:
        """Whether the GPU has GPM counters (Hopper and newer). Ask this, never the name."""
        return bool(self.driver.query("nvmlGpmQueryDeviceSupport", self.handle).isSupportedDevice)

    def _clock(self, query: str, clock: str) -> int:
        return int(self.driver.query(query, self.handle, self.driver.constant(clock)))


def all_gpus(driver: Driver) -> list[Gpu]:
    """Every GPU that the driver knows, by its index there. Raises `QueryRefused`."""
    found = []
    for index in range(driver.query("nvmlDeviceGetCount")):
        uuid = driver.query("nvmlDeviceGetUUID", driver.query("nvmlDeviceGetHandleByIndex", index))
        found.append(Gpu(driver, uuid.decode() if isinstance(uuid, bytes) else str(uuid)))
    return found


def gpu_of(device: Device, driver: Driver | DriverUnavailable) -> tuple[Gpu | None, str | None]:
    """The GPU as the driver knows it, or why it cannot be asked; neither for a CPU."""
    if device.properties.kind != "cuda":
        return None, None
    if isinstance(driver, DriverUnavailable):
        return None, driver.reason
    try:
        return Gpu(driver, device.properties.uuid), None
    except QueryRefused as refused:
        return None, refused.reason


def name_clock_event_reasons(reasons: int) -> list[str]:
    """The bits of `Gpu.clock_event_reasons` in words, lowest bit first; an unknown bit as hexadecimal."""
    bits = [1 << position for position in range(reasons.bit_length()) if reasons >> position & 1]
    return [CLOCK_EVENT_REASONS.get(bit, hex(bit)) for bit in bits]


def counter_difference_bytes(before: int, after: int) -> int:
    """Bytes between two reads of a PCIe counter that wrapped at most once."""
    return (after - before) % PCIE_COUNTER_WRAP


def _own_process_ids() -> set[int]:
    try:
        return {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    except psutil.Error:
        return {os.getpid()}


def _process_name(pid: int) -> str | None:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return None
