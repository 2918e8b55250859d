"""How slow the host was, and what an iteration would take at its full speed.

A host that others share changes its speed by half within a second, and a launch-bound step with it: no average of ten
seconds on such a machine says what the next ten will show. So a fixed piece of host work is timed between iterations.
Its time over the least that it was ever measured to take, the ceiling `host_work`, is how slow the host is at that
moment. How much of that slowness reaches an iteration is found from the repeats, and taken out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from profiler.clock import Clock
from profiler.device.base import Device
from profiler.device.host_work import time_host_work

# A probe takes two thirds of a millisecond: as often as this, it is a few percent of the time.
PROBE_EVERY_MS = 10.0
# Outside these the ceiling is not that of this host as it is now, and nothing can be said.
PLAUSIBLE_SLOWDOWN = (0.5, 4.0)
# Launching alone took 0.89 to 1.00 of eager decode steps that nothing but the host held back (three processes on an
# H100), because it is timed at another moment: from here on the host paces, as far as one knows before the repeats say.
PACING_RATIO = 0.9
NOT_PACING_RATIO = 0.8
USUAL = 0.9  # of the iterations
# The yardstick's code is always in the caches, a step's is not: where a neighbour slowed the yardstick by 1.5 to 1.64,
# the same eager step took longer by the 0.94th to 1.32nd power of that (26 processes in three sessions on H100s).
PACED_DEPENDENCE = 1.1
_MOST_DEPENDENCE = 1.4
# How sure that is, as a standard deviation; and by how much a short repeat of a step that only the host paces was seen
# to scatter about its yardstick (5% over 0.3 s, 8% over 0.15 s): less than that proves nothing.
_PRIOR_DEVIATION = 0.12
_LEAST_SCATTER = 0.08


@dataclass(frozen=True, slots=True)
class HostPace:
    """The yardstick: `work` is done once a call, and takes `reference_us` where nothing slows the host."""

    work: Callable[[], object]
    reference_us: float


@dataclass(frozen=True, slots=True)
class Dependence:
    """How much of the host's slowness reaches an iteration, d ln(time) / d ln(slowdown), and its standard deviation.

    An iteration that the device paces does not depend on the host at all, and that is sure.
    """

    value: float
    deviation: float


class Pacer:
    """Times the work between the iterations of one repeat."""

    def __init__(self, pace: HostPace, device: Device, clock: Clock) -> None:
        self._pace = pace
        self._device = device
        self._clock = clock
        self._latest_ns: int | None = None
        self._probes: list[tuple[int, float]] = []

    def before(self, iteration: int) -> None:
        """Time the work before this iteration, if it was not done a moment ago; the device has finished it then."""
        if self._latest_ns is None or self._clock() - self._latest_ns >= PROBE_EVERY_MS * 1e6:
            self._probe(iteration)

    def slowdowns(self, iterations: int) -> list[float]:
        """How slow the host was in each of so many iterations, which are over: the mean of the probes around each."""
        self._probe(iterations)
        found = []
        for (begin, before), (end, after) in pairwise(self._probes):
            found += [(before + after) / 2 / self._pace.reference_us] * (end - begin)
        return found

    def _probe(self, iteration: int) -> None:
        self._probes.append((iteration, time_host_work(self._pace.work, self._device, self._clock) / 1e3))
        self._latest_ns = self._clock()


def pacing(host_ratio: float) -> float:
    """How far a host paces iterations of which its launching alone takes `host_ratio`: 0 to 1."""
    return min(max((host_ratio - NOT_PACING_RATIO) / (PACING_RATIO - NOT_PACING_RATIO), 0.0), 1.0)


def dependence(wall_ms: Sequence[Sequence[float]], slowdown: Sequence[Sequence[float]], paced: float) -> Dependence:
    """How much of the host's slowness reaches an iteration.

    A regression over the repeats' medians, with what is known before as its prior: how far the host paces the
    iterations (see `pacing`). Repeats in which the host's speed hardly changed leave it at that.
    """
    prior = paced * PACED_DEPENDENCE
    x = [math.log(median(repeat)) for repeat in slowdown if repeat]
    y = [math.log(median(repeat)) for repeat in wall_ms if repeat]
    x, y = ([value - fmean(column) for value in column] for column in (x, y))
    spread = math.fsum(value * value for value in x)
    if len(x) < 3 or spread == 0:
        return _dependence(prior, _PRIOR_DEVIATION)
    slope = math.fsum(a * b for a, b in zip(x, y, strict=True)) / spread
    scatter = math.fsum((b - slope * a) ** 2 for a, b in zip(x, y, strict=True)) / (len(x) - 2)
    known = spread / max(scatter, _LEAST_SCATTER**2)
    believed = 1 / _PRIOR_DEVIATION**2
    found = (slope * known + prior * believed) / (known + believed)
    return _dependence(found, 1 / math.sqrt(known + believed))


def _dependence(found: float, deviation: float) -> Dependence:
    value = min(max(found, 0.0), _MOST_DEPENDENCE)
    return Dependence(value, deviation * min(value, 1.0))


def at_full_speed(
    wall_ms: Sequence[Sequence[float]], slowdown: Sequence[Sequence[float]], depends: float
) -> list[list[float]]:
    """The iterations' times with that much of the slowness taken out."""
    return [
        [time / slow**depends for time, slow in zip(times, slows, strict=True)]
        for times, slows in zip(wall_ms, slowdown, strict=True)
    ]


def usual_range(slowdown: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The slowdowns between which nine tenths of all iterations met the host."""
    found = sorted(value for repeat in slowdown for value in repeat)
    outside = round((1 - USUAL) / 2 * (len(found) - 1))
    return found[outside], found[-1 - outside]


def is_plausible(slowdown: float) -> bool:
    """Whether the yardstick's reference can be that of this host."""
    low, high = PLAUSIBLE_SLOWDOWN
    return low <= slowdown <= high
