"""The policies by name. A new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Callable

from profiler.serving.policies.continuous import ContinuousBatching
from profiler.serving.policies.policy import Desk, Scheduler
from profiler.serving.policies.priority import priority
from profiler.serving.policies.serial import Serial
from profiler.serving.policies.shortest_first import shortest_first
from profiler.serving.policies.static import StaticBatching

POLICIES: dict[str, Callable[[Desk], Scheduler]] = {
    "serial": Serial,
    "static": StaticBatching,
    "continuous": ContinuousBatching,
    "priority": priority,
    "shortest-first": shortest_first,
}
USUAL = ("serial", "static", "continuous")
