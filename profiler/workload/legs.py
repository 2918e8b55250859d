"""The legs of loading a model, each with its own seconds."""

from __future__ import annotations

from profiler.clock import Clock
from profiler.report.records import LoadLeg
from profiler.report.vocabulary import Tier

_NO_BYTES = "making modules and filling them is no transfer whose bytes could be counted"


def elapsed_seconds(clock: Clock, begin_ns: int) -> float:
    """Seconds since `begin_ns`."""
    return (clock() - begin_ns) / 1e9


def moving_leg(leg: str, count: int, seconds: float) -> LoadLeg:
    """A leg (`disk` or `device`) that moved `count` bytes."""
    rate = count / seconds / 1e9 if seconds > 0 else None
    return LoadLeg(leg=leg, bytes=count, seconds=seconds, gb_per_s=rate, tier=Tier.HOST)


def host_leg(seconds: float) -> LoadLeg:
    """The leg that makes modules and fills them."""
    return LoadLeg(leg="host", bytes=None, seconds=seconds, gb_per_s=None, tier=Tier.HOST, missing=_NO_BYTES)


def missing_leg(leg: str, reason: str) -> LoadLeg:
    """A leg that this model did not go."""
    return LoadLeg(leg=leg, bytes=None, seconds=None, gb_per_s=None, tier=None, missing=reason)
