"""A yardstick of the host's speed: always the same piece of what a host does in an eager step.

Virtual machines share their cores: on one, a neighbour on the sibling of a core slowed pure Python by 1.8, launches by
1.45 and an eager decode step by 1.55. Launches with a quarter as much Python between them were slowed as the step was.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from profiler.device.base import Device

LAUNCHES = 30  # a third of a millisecond in all: short beside a step, long beside what an interrupt takes
ADDITIONS = 50  # in Python, for each launch


class HostWork:
    """One go of the work a call. Its kernels are queued and not waited for; they take the device no time."""

    def __init__(self, torch_device: str) -> None:
        self._one_element = torch.zeros(1, device=torch_device)

    @torch.no_grad()
    def __call__(self) -> int:
        """Do it once; what it returns means nothing."""
        total = 0
        for _ in range(LAUNCHES):
            self._one_element.add_(1)
            for number in range(ADDITIONS):
                total += number * number % 7
        return total


def time_host_work(work: Callable[[], object], device: Device, clock: Callable[[], int]) -> int:
    """Nanoseconds of one go, after another that brings its code back into the caches. The device is idle at the end."""
    work()
    begin = clock()
    work()
    end = clock()
    device.synchronize()
    return end - begin
