"""A phase run on and on: iterations, with a reset whenever its cache is full."""

from __future__ import annotations

from profiler.device.base import Device
from profiler.workload.phase import RunnablePhase


class Cycle:
    """Keeps a phase ready for its next iteration. A reset is done when this returns: none of it runs on into one."""

    def __init__(self, phase: RunnablePhase, device: Device, most: int | None = None) -> None:
        """`most` iterations after a reset, where that is fewer than the phase allows."""
        self._phase = phase
        self._device = device
        self._most = most
        self._left = 0

    @property
    def needs_reset(self) -> bool:
        """Whether the next iteration needs a reset before it."""
        return self._left <= 0

    def reset(self) -> None:
        """Reset the phase and wait until the device has finished with it."""
        self._phase.reset()
        self._device.synchronize()
        allowed = self._phase.iterations_per_reset
        self._left = allowed if self._most is None else min(self._most, allowed)

    def prepare(self) -> None:
        """Make the next iteration possible; call it once before each."""
        if self.needs_reset:
            self.reset()
        self._left -= 1
