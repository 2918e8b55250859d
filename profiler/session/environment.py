"""Where a run took place. No environment variables, no host name, no paths."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import psutil

import profiler
from profiler.device.base import Device
from profiler.device.cpu import cpu_cores, cpu_model
from profiler.device.driver import QueryRefused
from profiler.device.gpu import Gpu
from profiler.report.environment import Environment
from profiler.report.records import ReportWarning
from profiler.report.source import Source
from profiler.report.vocabulary import Tier


def describe(device: Device, gpu: Gpu | None, gpu_reason: str | None) -> tuple[Environment, list[ReportWarning]]:
    """The environment record, and a warning where other processes use the GPU."""
    properties = device.properties
    warnings: list[ReportWarning] = []
    others: int | None = None
    source = Source(missing=gpu_reason or "a CPU is shared by all processes")
    if gpu is not None:
        try:
            processes = gpu.other_processes()
        except QueryRefused as refused:
            source = Source(missing=refused.reason)
        else:
            others, source = len(processes), Source(tier=Tier.DRIVER)
            if processes:
                named = ", ".join(_named(process.name, process.pid, process.used_bytes) for process in processes)
                warnings.append(
                    ReportWarning(
                        code="gpu_shared",
                        message=f"other processes use this GPU, so times and telemetry are not ours alone: {named}",
                    )
                )
    return (
        Environment(
            tool_version=profiler.__version__,
            python=platform.python_version(),
            torch=_version("torch") or "unknown",
            transformers=_version("transformers"),
            platform=f"{platform.system()} {platform.machine()}",
            device=properties.name,
            device_kind=properties.kind,
            device_memory_bytes=properties.memory_bytes,
            driver=properties.driver,
            cuda=properties.cuda,
            cpu=cpu_model(),
            cpu_cores=cpu_cores(),
            host_memory_bytes=psutil.virtual_memory().total,
            other_processes=others,
            sources={"other_processes": source},
        ),
        warnings,
    )


def _named(name: str | None, pid: int, used_bytes: int | None) -> str:
    used = "" if used_bytes is None else f", {used_bytes / 1e9:.1f} GB"
    return f"{name or 'unnamed'} (pid {pid}{used})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
