"""Continuous batching in which the shortest of those that wait goes first: what foreknowledge would bring."""

from __future__ import annotations

from profiler.serving.policies.continuous import ContinuousBatching
from profiler.serving.policies.policy import Desk
from profiler.serving.policies.waiting import Ranked


def shortest_first(desk: Desk) -> ContinuousBatching:
    """Shortest by the number of tokens, of output first, which nobody knows beforehand: a bound, not a proposal."""
    return ContinuousBatching(desk, Ranked(lambda request: desk.output[request] + desk.prompt[request] * 1e-9))
