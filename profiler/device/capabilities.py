"""What can be measured on this machine, at which tier, why not more, and what to do about it.

`look` asks the machine, `survey` judges what was found; only `look` has effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from profiler.device.base import Device
from profiler.device.cupti_home import HOW_TO_INSTALL, why_missing
from profiler.device.driver import Driver, DriverUnavailable, QueryRefused
from profiler.device.gpm import SHORTEST_WINDOW_S
from profiler.device.gpu import Gpu
from profiler.report.vocabulary import Tier

# capabilities(7): the driver lets a process with either of them read hardware counters.
CAP_SYS_ADMIN, CAP_PERFMON = 21, 38
# CUPTI PM sampling needs Turing or newer.
OLDEST_FOR_COUNTERS = (7, 5)


@dataclass(frozen=True, slots=True)
class Capability:
    """One kind of measurement: what it is good for, and if it is not to be had, why and what to do."""

    name: str
    available: bool
    tier: Tier
    good_for: str
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the machine answered. A reason of None means that it works."""

    device_kind: str
    compute_capability: tuple[int, int] | None
    driver_reason: str | None
    gpu_reasons: Mapping[str, str | None]  # by the names of _GPU_READINGS; empty where there is no GPU to ask
    activities: frozenset[str]  # what torch.profiler can trace: "CPU", "CUDA"
    cupti_reason: str | None
    counters_for_admins_only: bool | None  # None where the driver does not say
    may_read_counters: bool  # this process has the rights of an administrator
    pinned_memory_reason: str | None
    disk_counters_reason: str | None


@dataclass(frozen=True, slots=True)
class _GpuReading:
    name: str
    good_for: str
    remedy: str


_GPU_READINGS = (
    _GpuReading("NVML", "memory in use, other processes on the GPU, coarse utilisation", "update the NVIDIA driver"),
    _GpuReading(
        "GPM",
        f"DRAM, SM, tensor, PCIe and NVLink use over windows of {SHORTEST_WINDOW_S:g} s and more",
        "none on this GPU if it is older than Hopper; else update the driver. Traced kernels stand in for it",
    ),
    _GpuReading("clocks", "whether the clocks moved while measuring", "update the NVIDIA driver"),
    _GpuReading("clock-event reasons", "seeing a throttled GPU", "update the NVIDIA driver"),
    _GpuReading("power", "watts, averaged over a second", "ask whoever runs this machine: virtual GPUs hide it"),
    _GpuReading("energy", "joules per token", "none on GPUs older than Volta; virtual GPUs hide it"),
    _GpuReading("PCIe counters", "bytes over PCIe, whoever sent them", "traced copies stand in for it"),
)
_NO_DRIVER = "install the NVIDIA driver and see that nvidia-smi works; in a container, start it with --gpus all"


def survey(findings: Findings) -> list[Capability]:
    """Every kind of measurement, in the order of a doctor's table."""
    return [
        *(_gpu_reading(reading, findings) for reading in _GPU_READINGS),
        _kernel_trace(findings),
        _operation_trace(findings),
        _hardware_counters(findings),
        _pinned_memory(findings),
        _cuda_graphs(findings),
        Capability("host counters", True, Tier.HOST, "CPU load and host memory (psutil)"),
        _disk_reads(findings),
    ]


def look(device: Device, driver: Driver | DriverUnavailable) -> Findings:
    """Ask the machine. Nothing that it refuses is an error."""
    from torch.profiler import supported_activities

    params = _read_text(Path("/proc/driver/nvidia/params"))
    status = _read_text(Path("/proc/self/status"))
    return Findings(
        device_kind=device.properties.kind,
        compute_capability=device.properties.compute_capability,
        driver_reason=driver.reason if isinstance(driver, DriverUnavailable) else None,
        gpu_reasons=ask_gpu(driver, device.properties.uuid) if device.properties.kind == "cuda" else {},
        activities=frozenset(activity.name for activity in supported_activities()),  # type: ignore[no-untyped-call]
        cupti_reason=why_missing(),
        counters_for_admins_only=counters_for_admins_only(params),
        may_read_counters=has_administrator_rights(status),
        pinned_memory_reason=_try_pinned_memory() if device.properties.kind == "cuda" else None,
        disk_counters_reason=_try_disk_counters(),
    )


def ask_gpu(driver: Driver | DriverUnavailable, uuid: str) -> dict[str, str | None]:
    """Each reading of the GPU, with why it was refused or None; empty where there is no driver."""
    if isinstance(driver, DriverUnavailable):
        return {}
    try:
        gpu = Gpu(driver, uuid)
    except QueryRefused as refusal:
        return {reading.name: refusal.reason for reading in _GPU_READINGS}
    questions: dict[str, Callable[[], object]] = {
        "NVML": gpu.memory,
        "GPM": gpu.supports_gpm,
        "clocks": gpu.clocks,
        "clock-event reasons": gpu.clock_event_reasons,
        "power": gpu.power_w,
        "energy": gpu.energy_mj,
        "PCIe counters": gpu.pcie_counters,
    }
    return {name: _refusal(question) for name, question in questions.items()}


def counters_for_admins_only(params: str | None) -> bool | None:
    """What /proc/driver/nvidia/params says about hardware counters; None where it says nothing."""
    for line in (params or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "RmProfilingAdminOnly":
            return value.strip() != "0"
    return None


def has_administrator_rights(status: str | None) -> bool:
    """Whether /proc/self/status shows CAP_SYS_ADMIN or CAP_PERFMON: root in a container may have neither."""
    for line in (status or "").splitlines():
        key, _, value = line.partition(":")
        if key == "CapEff":
            capabilities = int(value.strip(), 16)
            return bool(capabilities >> CAP_SYS_ADMIN & 1 or capabilities >> CAP_PERFMON & 1)
    return False


def _gpu_reading(reading: _GpuReading, findings: Findings) -> Capability:
    if findings.driver_reason is not None:
        return _unavailable(reading.name, Tier.DRIVER, reading.good_for, findings.driver_reason, _NO_DRIVER)
    if findings.device_kind != "cuda":
        return _not_on_cpu(findings, reading.name, Tier.DRIVER, reading.good_for)
    reason = findings.gpu_reasons.get(reading.name)
    if reason is not None:
        return _unavailable(reading.name, Tier.DRIVER, reading.good_for, reason, reading.remedy)
    return Capability(reading.name, True, Tier.DRIVER, reading.good_for)


def _kernel_trace(findings: Findings) -> Capability:
    name, good_for = "kernel tracing", "every kernel, copy and launch on all streams (CUPTI activity, torch.profiler)"
    if findings.device_kind != "cuda":
        return _not_on_cpu(findings, name, Tier.TIMELINE, good_for)
    if "CUDA" not in findings.activities:
        return _unavailable(
            name,
            Tier.TIMELINE,
            good_for,
            "this torch cannot trace CUDA",
            "install a CUDA build of torch that brings CUPTI (the wheels of pytorch.org do)",
        )
    return Capability(name, True, Tier.TIMELINE, good_for)


def _operation_trace(findings: Findings) -> Capability:
    name, good_for = "operation tracing", "the operations that the host ran, and the module that asked for each"
    if "CPU" not in findings.activities:
        return _unavailable(
            name, Tier.TIMELINE, good_for, "this torch was built without its profiler", "install a wheel of pytorch.org"
        )
    return Capability(name, True, Tier.TIMELINE, good_for)


def _hardware_counters(findings: Findings) -> Capability:
    name, good_for = "hardware counters", "what each kernel moves, and how busy it keeps the SMs (--counters)"
    if findings.device_kind != "cuda":
        return _not_on_cpu(findings, name, Tier.COUNTER, good_for)
    capability = findings.compute_capability
    if capability is not None and capability < OLDEST_FOR_COUNTERS:
        reason = f"needs a Turing GPU or newer, this one has compute capability {capability[0]}.{capability[1]}"
        return _unavailable(name, Tier.COUNTER, good_for, reason, "none on this GPU: GPM or traced kernels stand in")
    if findings.counters_for_admins_only and not findings.may_read_counters:
        return _unavailable(
            name,
            Tier.COUNTER,
            good_for,
            "the driver keeps counters for administrators (RmProfilingAdminOnly: 1)",
            "load the nvidia module with NVreg_RestrictProfilingToAdminUsers=0, "
            "or give the container CAP_SYS_ADMIN or CAP_PERFMON",
        )
    if findings.cupti_reason is not None:
        return _unavailable(name, Tier.COUNTER, good_for, findings.cupti_reason, HOW_TO_INSTALL)
    if findings.counters_for_admins_only is None and not findings.may_read_counters:
        return Capability(
            name, True, Tier.COUNTER, good_for, "the driver does not say who may read them: it may refuse"
        )
    return Capability(name, True, Tier.COUNTER, good_for)


def _pinned_memory(findings: Findings) -> Capability:
    name, good_for = "pinned memory", "the ceiling of asynchronous host-device copies"
    if findings.device_kind != "cuda":
        return _not_on_cpu(findings, name, Tier.HOST, good_for)
    if findings.pinned_memory_reason is not None:
        return _unavailable(
            name, Tier.HOST, good_for, findings.pinned_memory_reason, "raise the limit on locked memory (ulimit -l)"
        )
    return Capability(name, True, Tier.HOST, good_for)


def _cuda_graphs(findings: Findings) -> Capability:
    name, good_for = "CUDA graphs", "decode without launch overhead (--mode graph), and the fixed cost of a kernel"
    if findings.device_kind != "cuda":
        return _not_on_cpu(findings, name, Tier.HOST, good_for)
    return Capability(name, True, Tier.HOST, good_for)


def _disk_reads(findings: Findings) -> Capability:
    name, good_for = "disk reads", "how many bytes of a model came from storage and not from the page cache"
    if findings.disk_counters_reason is not None:
        return _unavailable(
            name, Tier.HOST, good_for, findings.disk_counters_reason, "run where /proc/self/io can be read"
        )
    return Capability(name, True, Tier.HOST, good_for)


def _unavailable(name: str, tier: Tier, good_for: str, reason: str, remedy: str) -> Capability:
    return Capability(name, False, tier, good_for, reason, remedy)


def _not_on_cpu(findings: Findings, name: str, tier: Tier, good_for: str) -> Capability:
    remedy = (
        "there is an NVIDIA driver here: install a CUDA build of torch and type --device cuda"
        if findings.driver_reason is None
        else "profile on a machine with an NVIDIA GPU"
    )
    return _unavailable(name, tier, good_for, "the device is a CPU", remedy)


def _refusal(question: Callable[[], object]) -> str | None:
    try:
        answer = question()
    except QueryRefused as refusal:
        return refusal.reason
    return "this GPU has no GPM counters" if answer is False else None


def _try_pinned_memory() -> str | None:
    import torch

    try:
        torch.empty(2**20, dtype=torch.uint8, pin_memory=True)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return None


def _try_disk_counters() -> str | None:
    import psutil

    try:
        psutil.Process().io_counters()
    except (psutil.Error, OSError, AttributeError, NotImplementedError) as error:
        return f"the process's own I/O counters cannot be read: {error}"
    return None


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
