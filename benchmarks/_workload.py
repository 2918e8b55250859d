"""The profiler's own building blocks, put together for a benchmark as a session puts them together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from profiler.attribute.verdict import refuse
from profiler.device.base import Device
from profiler.device.cache import load_or_measure
from profiler.device.gpu import gpu_of
from profiler.device.select import open_driver, select_device
from profiler.measure.plan import Plan
from profiler.measure.telemetry.process import SamplerProcess
from profiler.progress import SilentProgress
from profiler.report.records import Phase, Report
from profiler.session.bench import Bench
from profiler.session.environment import describe as environment_of
from profiler.session.machine import now, sampler_config
from profiler.session.profile import phase_plan
from profiler.workload.build import load
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import resolve
from profiler.workload.spec import WorkloadSpec

__all__ = ["describe", "load_preset_model", "open_bench", "phase_plan", "report_of"]


def load_preset_model(spec: WorkloadSpec, device: Device) -> LoadedModel:
    """The model of `spec`, in its place."""
    return load(spec, resolve(spec.model), device, SilentProgress(), time.monotonic_ns)


@contextmanager
def open_bench(device_name: str, plan: Plan) -> Iterator[Bench]:
    """A device with its ceilings and its telemetry process."""
    driver = open_driver()
    device = select_device(device_name, driver=driver)
    with SamplerProcess(sampler_config(device)) as sampler:
        ceilings = load_or_measure(device, now=now, gpu=gpu_of(device, driver)[0])
        yield Bench(device, ceilings, sampler, time.monotonic_ns, plan, SilentProgress())


def describe(device: Device) -> dict[str, Any]:
    """What the numbers of a benchmark hold for."""
    import platform

    import torch
    import transformers

    properties = device.properties
    return {
        "date": now().date().isoformat(),
        "device": properties.name,
        "driver": properties.driver,
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }


def report_of(bench: Bench, kind: str, phases: list[Phase], no_verdict: str) -> Report:
    """A report of phases that are no request together: `no_verdict` says why there is none of the whole."""
    environment, warnings = environment_of(bench.device, *gpu_of(bench.device, open_driver()))
    return Report(
        kind=kind,
        complete=True,
        created_at=now().isoformat(timespec="seconds"),
        environment=environment,
        workload=None,
        ceilings=bench.ceilings,
        phases=phases,
        verdict=refuse(no_verdict),
        warnings=warnings,
    )
