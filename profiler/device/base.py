"""What the rest of the profiler asks of a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DeviceProperties:
    """What a device is. Bytes and counts; `None` where the device does not say."""

    name: str
    kind: str  # "cuda" or "cpu"
    uuid: str
    driver: str | None
    cuda: str | None
    memory_bytes: int
    sm_count: int | None
    l2_bytes: int | None
    max_threads_per_sm: int | None
    compute_capability: tuple[int, int] | None
    registers_per_sm: int | None = None
    shared_bytes_per_sm: int | None = None


class Stopwatch(Protocol):
    """Times the device's span of one iteration: `start`, work, `stop`; read after a synchronisation."""

    def start(self) -> None:
        """Mark the beginning, without waiting for the device."""

    def stop(self) -> None:
        """Mark the end, without waiting for the device."""

    def elapsed_ms(self) -> float:
        """Milliseconds between the marks; the device must have passed both."""


class Device(Protocol):
    """A place where a model runs."""

    @property
    def properties(self) -> DeviceProperties:
        """What it is."""

    @property
    def torch_device(self) -> str:
        """Its name for torch, e.g. `cuda:0` or `cpu`."""

    def synchronize(self) -> None:
        """Wait until all work that was launched is done."""

    def stopwatch(self) -> Stopwatch | None:
        """A timer on the device's own clock, or None where the host's clock is the device's."""

    def free_bytes(self) -> int:
        """Memory that an allocation could get now."""

    def empty_cache(self) -> None:
        """Hand cached blocks back, so that `free_bytes` tells the truth."""
