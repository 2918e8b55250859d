"""The machine that a run takes place on: its device, its driver, and what samples them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from profiler.device.base import Device
from profiler.device.driver import Driver, DriverUnavailable
from profiler.device.select import open_driver, select_device
from profiler.measure.counted_pass import Counters
from profiler.measure.counters.process import CounterProcess
from profiler.measure.counters.source import CounterGroup, CounterRecording
from profiler.measure.repeat import Sampler
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import SamplerConfig


class NoCounters:
    """Stands where nothing can be counted, and says why."""

    reason = "a CPU has no counters that are read here"

    def begin(self, group: CounterGroup) -> str | None:
        """Why not."""
        return self.reason

    def end(self) -> CounterRecording:
        """The same."""
        return CounterRecording(failure=self.reason)


def counters_of(device: Device) -> AbstractContextManager[Counters]:
    """What counts on this device; its process starts when it is first asked to."""
    properties = device.properties
    return closing(CounterProcess(properties.uuid)) if properties.kind == "cuda" else nullcontext(NoCounters())


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run takes place; a test hands over one that is made up. `sampler` makes what the telemetry pass asks."""

    device: Device
    driver: Driver | DriverUnavailable
    sampler: Callable[[SamplerConfig], AbstractContextManager[Sampler]] = SamplerProcess
    counters: Callable[[Device], AbstractContextManager[Counters]] = counters_of


def this_machine(device: str) -> Machine:
    """This machine, with the device that `device` names. Raises as `select_device` does."""
    driver = open_driver()
    return Machine(select_device(device, driver=driver), driver)


def sampler_config(device: Device) -> SamplerConfig:
    """What the telemetry process is to sample."""
    properties = device.properties
    return SamplerConfig(pid=os.getpid(), gpu_uuid=properties.uuid if properties.kind == "cuda" else None)


def now() -> datetime:
    """The time of day, in UTC."""
    return datetime.now(UTC)
