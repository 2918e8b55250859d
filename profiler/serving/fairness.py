"""Whether some are slowed more than others: between tenants, or between short and long requests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiler.report.simulation import Fairness, FairnessGroup
from profiler.serving.log import RequestLog

_NS_PER_MS = 1e6
_LENGTHS = ("short", "medium", "long")
_MOST_GROUPS = 12


def fairness(
    log: RequestLog, queue_ns: NDArray[np.int64], e2e_ns: NDArray[np.int64], alone_ns: NDArray[np.float64]
) -> Fairness:
    """Groups, and Jain's index over their mean slowdowns: (sum x)^2 / (n sum x^2) (Jain, Chiu and Hawe, 1984)."""
    group, names, by = _groups(log, alone_ns)
    slowdown = e2e_ns / np.maximum(alone_ns, 1.0)
    groups = []
    for number, name in enumerate(names):
        here = group == number
        if here.any():
            groups.append(
                FairnessGroup(
                    name=name,
                    requests=int(here.sum()),
                    mean_queue_ms=float(queue_ns[here].mean()) / _NS_PER_MS,
                    mean_e2e_ms=float(e2e_ns[here].mean()) / _NS_PER_MS,
                    mean_slowdown=float(slowdown[here].mean()),
                )
            )
    means = np.array([each.mean_slowdown for each in groups])
    return Fairness(by=by, index=float(means.sum() ** 2 / (len(means) * (means**2).sum())), groups=groups)


def _groups(log: RequestLog, alone_ns: NDArray[np.float64]) -> tuple[NDArray[np.int64], tuple[str, ...], str]:
    """Tenants where they are named, the many small ones together; else thirds by what a request takes alone."""
    if not log.tenants:
        edges = np.quantile(alone_ns, [1 / 3, 2 / 3])
        return np.searchsorted(edges, alone_ns, side="left"), _LENGTHS, "length"
    sizes = np.bincount(log.tenant, minlength=len(log.tenants))
    ranked = np.argsort(-sizes, kind="stable")
    if len(ranked) <= _MOST_GROUPS:
        return log.tenant, log.tenants, "tenant"
    named = ranked[: _MOST_GROUPS - 1]
    place = np.full(len(log.tenants), _MOST_GROUPS - 1)
    place[named] = np.arange(len(named))
    names = (*(log.tenants[number] for number in named), f"{len(ranked) - len(named)} others")
    return place[log.tenant], names, "tenant"
