"""Continuous batching in which a smaller priority of the log goes first.

Nobody who runs is put out for one that waits; where the KV memory is full, the largest priority is, as in vLLM.
"""

from __future__ import annotations

from profiler.serving.policies.continuous import ContinuousBatching
from profiler.serving.policies.policy import Desk
from profiler.serving.policies.waiting import Ranked


def priority(desk: Desk) -> ContinuousBatching:
    """Of equal priority, the one that came first."""
    return ContinuousBatching(desk, Ranked(lambda request: desk.priority[request]))
