"""Ceilings: what this device was measured to reach, beside what its datasheet says."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from datetime import datetime

from profiler.catalogue.datasheet import find_datasheet
from profiler.device.base import Device, DeviceProperties
from profiler.device.driver import QueryRefused
from profiler.device.gpu import Gpu
from profiler.progress import Progress, SilentProgress
from profiler.report.ceilings import Ceiling, Ceilings
from profiler.report.vocabulary import Tier

REPEATS = 7

# Repeats of a bandwidth differ by 1.3% on an H100 to itself, by 15% on a quiet virtual machine's CPU, and beside other
# processes on that CPU by 1.6 times: from here on, it is not the device that was measured.
_MOST_SPREAD = 1.5
_BANDWIDTHS = ("read", "copy")

UNITS = {
    "read": "GB/s",
    "copy": "GB/s",
    "gemm.bfloat16": "TFLOP/s",
    "gemm.float16": "TFLOP/s",
    "gemm.float32": "TFLOP/s",
    "gemm.tf32": "TFLOP/s",
    "h2d.pinned": "GB/s",
    "h2d.pageable": "GB/s",
    "d2h.pinned": "GB/s",
    "d2h.pageable": "GB/s",
    "overlap.copy_compute": "ratio",
    "launch": "us",
    "kernel": "us",
    "sync": "us",
    "host_work": "us",
}

# On a GPU these are timed between two of its own events, the others by the host's clock.
_BETWEEN_EVENTS = frozenset(UNITS) - {"h2d.pageable", "d2h.pageable", "launch", "sync", "host_work"}

_ONE_MEMORY = "a CPU works in the host's memory: nothing is copied to it"
_NOT_ON_A_CPU = {
    "gemm.float16": "not measured on a CPU: few processors compute in it",
    "gemm.tf32": "TF32 is a mode of NVIDIA's tensor cores",
    "h2d.pinned": _ONE_MEMORY,
    "h2d.pageable": _ONE_MEMORY,
    "d2h.pinned": _ONE_MEMORY,
    "d2h.pageable": _ONE_MEMORY,
    "overlap.copy_compute": _ONE_MEMORY,
    "kernel": "a CPU runs an operation where it is called: there is no kernel to launch",
    "sync": "a CPU's result is there when the operation returns",
    "host_work": "on a CPU, all work is the host's",
}

_DATASHEET_OPERANDS = {
    "gemm.bfloat16": "bfloat16",
    "gemm.float16": "float16",
    "gemm.float32": "float32",
    "gemm.tf32": "tfloat32",
}

Probe = Callable[[], float]


def absent_ceilings(properties: DeviceProperties) -> dict[str, str]:
    """The ceilings that a device cannot have by its nature, each with the reason."""
    if properties.kind == "cpu":
        return dict(_NOT_ON_A_CPU)
    capability = properties.compute_capability
    if capability is not None and capability < (8, 0):
        reason = f"needs compute capability 8.0, this GPU has {capability[0]}.{capability[1]}"
        return {"gemm.bfloat16": reason, "gemm.tf32": reason}
    return {}


def probes_of(device: Device) -> dict[str, Probe]:
    """What can be measured on a device: a ceiling's name to a function that measures it once, in its unit."""
    if device.properties.kind == "cpu":
        from profiler.device.cpu_bench import CpuBench

        return CpuBench(device).probes()
    from profiler.device.cuda_bench import CudaBench

    return CudaBench(device).probes()


def measure_ceilings(
    device: Device,
    *,
    now: Callable[[], datetime],
    gpu: Gpu | None = None,
    progress: Progress | None = None,
    probes: Mapping[str, Probe] | None = None,
) -> Ceilings:
    """Measure every ceiling of a device: the median, lowest and highest of independent repeats.

    The repeats of different ceilings are interleaved, since power and clocks drift; the first round warms up and is
    dropped. A ceiling that cannot be measured is null with the reason. `gpu` gives the driver's word on bandwidth.
    """
    progress = progress or SilentProgress()
    absent = absent_ceilings(device.properties)
    probes = probes_of(device) if probes is None else probes
    probes = {name: probe for name, probe in probes.items() if name not in absent}
    samples, failures = _interleave(probes, progress)
    del probes  # and with them the buffers they hold
    device.empty_cache()
    missing = absent | failures
    datasheet = datasheet_ceilings(device.properties, gpu)
    return Ceilings(
        device=device.properties.name,
        measured_at=now().isoformat(timespec="seconds"),
        from_cache=False,
        ceilings=[
            _ceiling(
                name,
                samples.get(name, []),
                missing.get(name, "not measured"),
                datasheet.get(name),
                on_gpu=device.properties.kind == "cuda",
            )
            for name in UNITS
        ],
    )


def is_whole(ceilings: Ceilings, properties: DeviceProperties) -> bool:
    """Whether every ceiling that the device can have was measured: then, and only then, it is worth keeping."""
    values = {ceiling.name: ceiling.value for ceiling in ceilings.ceilings}
    return all(values.get(name) is not None for name in UNITS if name not in absent_ceilings(properties))


def unsteady(ceilings: Ceilings) -> list[Ceiling]:
    """The bandwidths of the device's memory whose repeats differ too much to be the device's own."""
    return [
        ceiling
        for ceiling in ceilings.ceilings
        if ceiling.name in _BANDWIDTHS
        and ceiling.low is not None
        and ceiling.high is not None
        and ceiling.high > _MOST_SPREAD * ceiling.low
    ]


def _interleave(probes: Mapping[str, Probe], progress: Progress) -> tuple[dict[str, list[float]], dict[str, str]]:
    samples: dict[str, list[float]] = {name: [] for name in probes}
    failures: dict[str, str] = {}
    progress.stage("measuring what this device can reach", (REPEATS + 1) * len(probes))
    for repeat in range(REPEATS + 1):
        for name, probe in probes.items():
            if name not in failures:
                try:
                    value = probe()
                except (RuntimeError, MemoryError) as error:  # torch's errors, out of memory among them
                    failures[name] = (str(error) or type(error).__name__).splitlines()[0]
                    samples[name].clear()
                else:
                    if repeat:
                        samples[name].append(value)
            progress.advance()
    return samples, failures


def _ceiling(name: str, samples: list[float], missing: str, datasheet: float | None, *, on_gpu: bool) -> Ceiling:
    return Ceiling(
        name=name,
        unit=UNITS[name],
        value=statistics.median(samples) if samples else None,
        low=min(samples, default=None),
        high=max(samples, default=None),
        datasheet=datasheet,
        tier=Tier.TIMELINE if on_gpu and name in _BETWEEN_EVENTS else Tier.HOST,
        missing=None if samples else missing,
    )


def datasheet_ceilings(properties: DeviceProperties, gpu: Gpu | None) -> dict[str, float]:
    """What the maker says that the device reaches, by ceiling, in its unit; nothing where the maker does not say.

    Where no datasheet is known, bandwidth comes from the driver's memory clock and bus width.
    """
    datasheet = find_datasheet(properties.name)
    if datasheet is None:
        return _driver_ceilings(gpu)
    found = dict.fromkeys(("read", "copy"), datasheet.memory_bandwidth_bytes_per_s / 1e9)
    found |= dict.fromkeys(
        ("h2d.pinned", "h2d.pageable", "d2h.pinned", "d2h.pageable"), datasheet.host_link_bytes_per_s / 1e9
    )
    for ceiling, operand in _DATASHEET_OPERANDS.items():
        peak = datasheet.flops_per_s.get(operand)
        if peak is not None:
            found[ceiling] = peak / 1e12
    return found


def _driver_ceilings(gpu: Gpu | None) -> dict[str, float]:
    if gpu is None:
        return {}
    try:
        return dict.fromkeys(("read", "copy"), gpu.dram_peak_gb_per_s())
    except QueryRefused:
        return {}
