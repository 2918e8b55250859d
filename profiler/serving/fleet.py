"""A log of requests served by one replica or several."""

from __future__ import annotations

from collections.abc import Callable

from profiler.serving.costs import Costs
from profiler.serving.ledger import NEVER, Ledger
from profiler.serving.log import RequestLog
from profiler.serving.policies import POLICIES
from profiler.serving.policies.policy import FOREVER_NS, Desk, Limits, Scheduler

_TOLD_EVERY = 8192


def serve(
    policy: str,
    log: RequestLog,
    costs: Costs,
    limits: Limits,
    replicas: int = 1,
    advanced: Callable[[int], None] = lambda requests: None,
) -> Ledger:
    """Serve every request. Each goes, when it arrives, to the replica with the fewest that are not done.

    `advanced` is told of so many more that have arrived. Requests must fit into the KV memory alone.
    """
    ledger = Ledger(len(log))
    desk = Desk(log, costs, limits, ledger, 0)
    desks = [desk, *(desk.beside(number) for number in range(1, replicas))]
    servers: list[Scheduler] = [POLICIES[policy](each) for each in desks]
    ledger.replicas = [each.sums for each in desks]
    ledger.slots = servers[0].slots
    now, loads = NEVER, [0] * replicas  # those that are not done, of each
    for request, arrival in enumerate(desk.arrival):
        if arrival > now:
            now = arrival
            for server in servers:
                server.advance(now)
            loads = [each.unfinished(now) for each in desks]
        chosen = loads.index(min(loads))
        loads[chosen] += 1
        desks[chosen].came()
        servers[chosen].submit(request)
        if request % _TOLD_EVERY == 0:
            advanced(_TOLD_EVERY)
    for server in servers:
        server.advance(FOREVER_NS)
    return ledger
