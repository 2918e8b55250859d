"""What load a policy carries: the rate above which its queue grows without end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiler.report.simulation import CarriedLoad
from profiler.report.source import Source
from profiler.serving.costs import NS_PER_S, Costs
from profiler.serving.fleet import serve
from profiler.serving.log import RequestLog
from profiler.serving.policies.policy import Limits

# So many times the slots are filled, so that the first and the last filling weigh little; and no fewer requests.
_FILLINGS, _LEAST, _MOST = 20, 2_000, 100_000


def carried_load(
    policy: str,
    log: RequestLog,
    costs: Costs,
    limits: Limits,
    replicas: int,
    slots: int,
    alone_ns: NDArray[np.float64],
) -> CarriedLoad:
    """The rate at which requests like those of the log are served while there is no end of them.

    All wait at once; the rate is taken up to when the last of them starts, one that is under way then counting for the
    part of its time that has passed. A queue that is fed faster than that grows for as long as it is.
    `alone_ns` is what each request would take alone.
    """
    number = min(max(_FILLINGS * slots * replicas, _LEAST), _MOST)
    places = (
        np.arange(number) % len(log) if number >= len(log) else np.linspace(0, len(log) - 1, number).astype(np.int64)
    )
    ledger = serve(policy, log.taken(places, np.zeros(number, np.int64)), costs, limits, replicas)
    start, finish = ledger.column("start"), ledger.column("released")
    last = int(start.max())
    done = np.minimum((last - start) / np.maximum(finish - start, 1), 1.0).sum()
    most = float(done) / last * NS_PER_S if last else number / float(finish.max()) * NS_PER_S
    span = int(log.arrival_ns[-1])
    if span < alone_ns.mean():
        reason = Source(missing="they all come before one of them could be done: that is a burst, and has no rate")
        return CarriedLoad(
            most_requests_per_s=most,
            offered_requests_per_s=None,
            utilisation_ratio=None,
            diverges=None,
            sources=dict.fromkeys(("offered_requests_per_s", "utilisation_ratio", "diverges"), reason),
        )
    offered = (len(log) - 1) / span * NS_PER_S
    return CarriedLoad(
        most_requests_per_s=most,
        offered_requests_per_s=offered,
        utilisation_ratio=offered / most,
        diverges=offered > most,
    )
