"""The machine that a run takes place on: its device, its driver, and what samples them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from profiler.device.base import Device
from profiler.device.driver import Driver, DriverUnavailable
from profiler.device.select import open_driver, select_device
from profiler.measure.repeat import Sampler
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import SamplerConfig


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run takes place; a test hands over one that is made up. `sampler` makes what the telemetry pass asks."""

    device: Device
    driver: Driver | DriverUnavailable
    sampler: Callable[[SamplerConfig], AbstractContextManager[Sampler]] = SamplerProcess


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
