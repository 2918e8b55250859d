"""Continuous batching in which a smaller priority of the log goes first; nobody who runs is put out for it."""

from __future__ import annotations

from profiler.serving.policies.continuous import ContinuousBatching
from profiler.serving.policies.policy import Desk
from profiler.serving.policies.waiting import Ranked


def priority(desk: Desk) -> ContinuousBatching:
    """Of equal priority, the one that came first."""
    return ContinuousBatching(desk, Ranked(lambda request: desk.priority[request]))
