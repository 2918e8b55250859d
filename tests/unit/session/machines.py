"""Machines that are made up, models that take no time, and ceilings that are in the cache already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import torch

from profiler.device.base import Device, DeviceProperties
from profiler.device.cache import load_or_measure
from profiler.device.ceilings import UNITS, absent_ceilings
from profiler.device.cpu import CpuDevice
from profiler.device.driver import Driver, DriverUnavailable
from profiler.measure.plan import Plan
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import SamplerConfig, open_sources
from profiler.measure.telemetry.source import Recording, Sample
from profiler.progress import SilentProgress
from profiler.report.ceilings import Ceiling, Ceilings
from profiler.report.vocabulary import Tier
from profiler.session.machine import Machine
from tests.fakes import H100_UUID, FakeDriverLibrary

NOW = datetime(2026, 1, 15, tzinfo=UTC)
H100 = DeviceProperties(
    name="NVIDIA H100 80GB HBM3",
    kind="cuda",
    uuid=H100_UUID,
    driver="580.159.04",
    cuda="13.0",
    memory_bytes=80 * 2**30,
    sm_count=132,
    l2_bytes=50 * 2**20,
    max_threads_per_sm=2048,
    compute_capability=(9, 0),
)
_H100_CEILINGS = {  # as measured
    "read": 3080.0,
    "copy": 3020.0,
    "gemm.bfloat16": 796.0,
    "h2d.pinned": 55.0,
    "h2d.pageable": 23.0,
    "d2h.pinned": 55.0,
    "launch": 7.4,
    "kernel": 2.5,
    "host_work": 300.0,
}

SHORTEST = Plan(
    repeats=2,
    repeat_seconds=0.01,
    most_iterations=4,
    warmup_seconds=0.0,
    most_warmup_seconds=0.05,
    telemetry_seconds=0.05,
    traced_iterations=1,
    host_iterations=1,
)
"""The passes at their shortest: what they find means little, that they find it is what is tested."""


class FakeGpuDevice(CpuDevice):
    """The processor, calling itself an H100; the one of `tests.fakes.FakeGpu`."""

    def __init__(self, free_bytes: int = 79 * 10**9) -> None:
        super().__init__()
        self._properties = H100
        self._free_bytes = free_bytes

    def free_bytes(self) -> int:
        return self._free_bytes


@dataclass
class SamplerHere:
    """Samples in this process, so that its driver can be a `FakeDriverLibrary`.

    All at `end`, at the times at which the telemetry process would have.
    """

    config: SamplerConfig
    library: FakeDriverLibrary
    clock: Callable[[], int]
    begun_ns: int = 0

    def __enter__(self) -> Self:
        self.sources, self.missing = open_sources(self.config, self.library)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for source in self.sources:
            source.close()

    def wait_until_ready(self) -> None: ...

    def begin(self) -> None:
        self.begun_ns = self.clock()
        for source in self.sources:
            source.begin(self.begun_ns)

    def end(self) -> Recording:
        samples: list[Sample] = []
        end_ns = self.clock()
        for source in self.sources:
            for now_ns in range(self.begun_ns + source.interval_ns, end_ns + 1, source.interval_ns):
                samples += source.sample(now_ns)
        refused = {source.name: source.refused for source in self.sources if source.refused}
        return Recording(samples=samples, refused=self.missing | refused)


def cpu_machine(sampler: Any = SamplerProcess) -> Machine:
    return Machine(CpuDevice(), DriverUnavailable("NVML does not start: Driver Not Loaded"), sampler)


def gpu_machine(library: FakeDriverLibrary, clock: Callable[[], int], free_bytes: int = 79 * 10**9) -> Machine:
    """A machine with an H100 whose kernels are the processor's: nothing of them shows in a trace."""
    driver = Driver.open(library)
    return Machine(FakeGpuDevice(free_bytes), driver, lambda config: SamplerHere(config, library, clock))


def ceilings_of(properties: DeviceProperties) -> Ceilings:
    absent = absent_ceilings(properties)

    def ceiling(name: str, unit: str) -> Ceiling:
        value = None if name in absent else _H100_CEILINGS.get(name, 1.0)
        return Ceiling(
            name=name,
            unit=unit,
            value=value,
            low=value,
            high=value,
            datasheet=None,
            tier=Tier.HOST,
            missing=absent.get(name),
        )

    return Ceilings(
        device=properties.name,
        measured_at=NOW.isoformat(),
        from_cache=False,
        ceilings=[ceiling(name, unit) for name, unit in UNITS.items()],
    )


def put_ceilings_into_the_cache(device: Device) -> None:
    """Into the folder that XDG_CACHE_HOME names."""

    def measure(device: Device, **_: Any) -> Ceilings:
        return ceilings_of(device.properties)

    load_or_measure(device, now=lambda: NOW, measure=measure, watch_others=lambda: lambda: 0.0)


class StopAt(SilentProgress):
    """Ctrl-C, or what else `error` is, when a stage begins whose label holds `label` (the `occurrence`-th of them)."""

    def __init__(
        self, label: str, *, occurrence: int = 1, after_steps: int = 0, error: Any = KeyboardInterrupt
    ) -> None:
        self._label = label
        self._left = occurrence
        self._steps = after_steps
        self._error = error
        self._armed = False
        self.stages: list[str] = []

    def stage(self, label: str, total: int | None = None, *, seconds: float | None = None) -> None:
        self.stages.append(label)
        self._armed = False
        if self._label in label:
            self._left -= 1
            if self._left == 0:
                self._armed = self._steps > 0
                if not self._armed:
                    raise self._error

    def advance(self, steps: int = 1) -> None:
        if self._armed:
            self._steps -= 1
            if self._steps == 0:
                raise self._error


class SmallLoop(torch.nn.Module):
    """A factory's object: a linear layer, a prefill of eight tokens and a decode of one."""

    batch_size = 2
    prompt_tokens = 8

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(16, 16)

    def reset(self) -> None: ...

    @torch.no_grad()
    def prefill(self) -> float:
        return float(self.layer(torch.ones(16, 16)).sum())

    @torch.no_grad()
    def decode(self) -> float:
        return float(self.layer(torch.ones(2, 16)).sum())


class PlainLoop:
    """No module: nobody knows its parameters, nor how many tokens an iteration makes."""

    def prefill(self) -> int:
        return int(torch.ones(16, 16).sum())

    def decode(self) -> int:
        return int(torch.ones(2, 16).sum())


class LongStep(SmallLoop):
    """A decode beside which its prefill is nothing."""

    @torch.no_grad()
    def decode(self) -> float:
        return sum(float(self.layer(torch.ones(2, 16)).sum()) for _ in range(100))


class ShortOfMemory(SmallLoop):
    """Runs out of memory in its decode."""

    def decode(self) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of")


class Unbuilt(SmallLoop):
    """Runs out of memory before it is there."""

    def __init__(self) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of")


class Faulty(SmallLoop):
    """Fails in its decode."""

    def decode(self) -> float:
        raise ValueError("no such token\nat all")
