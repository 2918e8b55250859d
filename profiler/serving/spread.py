"""How times spread: percentiles, of samples and of runs of equal samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiler.report.simulation import Percentiles

_NS_PER_MS = 1e6
_LEVELS = (0.5, 0.9, 0.95, 0.99)


def percentiles(times_ns: NDArray[np.int64] | NDArray[np.float64]) -> Percentiles | None:
    """Of one sample or more, on straight lines between them; None where there is none."""
    if not len(times_ns):
        return None
    levels = np.quantile(times_ns, _LEVELS)
    return _percentiles(float(np.mean(times_ns)), levels.tolist(), float(np.max(times_ns)))


def weighted_percentiles(times_ns: NDArray[np.int64], weights: NDArray[np.int64]) -> Percentiles | None:
    """Of samples that stand for so many each: the least sample that this part of all does not exceed."""
    if not len(times_ns):
        return None
    order = np.argsort(times_ns, kind="stable")
    times, below = times_ns[order], np.cumsum(weights[order])
    whole = int(below[-1])
    levels = times[np.searchsorted(below, [level * whole for level in _LEVELS])]
    mean = float(np.dot(times_ns.astype(np.float64), weights)) / whole
    return _percentiles(mean, [float(level) for level in levels], float(times[-1]))


def _percentiles(mean: float, levels: list[float], largest: float) -> Percentiles:
    p50, p90, p95, p99 = (level / _NS_PER_MS for level in levels)
    return Percentiles(mean=mean / _NS_PER_MS, p50=p50, p90=p90, p95=p95, p99=p99, max=largest / _NS_PER_MS)
