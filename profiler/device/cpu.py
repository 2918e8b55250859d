"""The host's processor as the device."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import psutil

from profiler.device.base import DeviceProperties
from profiler.device.host_memory import host_memory


class CpuDevice:
    """All cores that this process may use."""

    def __init__(self) -> None:
        model, cores = cpu_model(), cpu_cores()
        # No processor has a serial number to read: its model and its cores decide how fast it is.
        digest = hashlib.sha256(f"{model}/{cores}".encode()).hexdigest()
        self._properties = DeviceProperties(
            name=model,
            kind="cpu",
            uuid=f"cpu-{digest[:16]}",
            driver=None,
            cuda=None,
            memory_bytes=int(psutil.virtual_memory().total),
            sm_count=None,
            l2_bytes=None,
            max_threads_per_sm=None,
            compute_capability=None,
        )

    @property
    def properties(self) -> DeviceProperties:
        """What it is."""
        return self._properties

    @property
    def torch_device(self) -> str:
        """`cpu`."""
        return "cpu"

    def synchronize(self) -> None:
        """Nothing to wait for: an operation on the CPU is done when it returns."""

    def stopwatch(self) -> None:
        """None: the host's clock is the device's."""
        return

    def free_bytes(self) -> int:
        """Memory that can be had without swapping, and within the limit of a container."""
        return host_memory().free_bytes

    def empty_cache(self) -> None:
        """Nothing to hand back: torch keeps no cache of host memory."""


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, e.g. `AMD EPYC 7742 64-Core Processor`; the machine's architecture if it has none."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return " ".join(value.split())
    return platform.processor() or platform.machine() or "CPU"


def cpu_cores() -> int:
    """Logical cores that this process may run on."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        return len(process.cpu_affinity() or []) or 1
    return psutil.cpu_count() or 1


def last_level_cache_bytes(cache_folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int | None:
    """The size of the largest cache in front of DRAM, None where the kernel does not tell."""
    sizes = []
    for path in cache_folder.glob("index*/size"):
        try:
            text = path.read_text(encoding="ascii").strip()
            sizes.append(int(text.removesuffix("K")) * 1024 if text.endswith("K") else int(text))
        except (OSError, ValueError):
            continue
    return max(sizes, default=None)
