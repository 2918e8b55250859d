"""The unloaded server: what TTFT is where nobody waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profiler.endpoint.exchange import Exchange
from profiler.report.endpoint import Baseline
from profiler.report.source import Source
from profiler.serving.spread import percentiles


@dataclass(frozen=True, slots=True)
class Unloaded:
    """TTFT without the network, in ns: `fixed_ns` and so much for each prompt token. `round_trip_ns` is the network."""

    round_trip_ns: int
    fixed_ns: float
    ns_per_token: float

    def prefill_ns(self, prompt_tokens: int) -> int:
        """Of a prompt of that length."""
        return round(self.fixed_ns + self.ns_per_token * prompt_tokens)


def fitted_baseline(exchanges: Sequence[Exchange], round_trip_ns: int) -> Unloaded:
    """The line through the times of requests that ran alone, one or more; neither of its terms is below zero."""
    tokens = np.array([each.input_tokens for each in exchanges], np.float64)
    times = np.array([max(each.ttft_ns - each.connect_ns - round_trip_ns, 0) for each in exchanges], np.float64)
    spread = tokens - tokens.mean()
    slope = float(spread @ times / (spread @ spread)) if spread.any() else 0.0
    slope = max(slope, 0.0)
    fixed = float(times.mean() - slope * tokens.mean())
    if fixed < 0:
        fixed, slope = 0.0, float(tokens @ times / (tokens @ tokens))
    return Unloaded(round_trip_ns, fixed, slope)


def baseline_record(exchanges: Sequence[Exchange], unloaded: Unloaded) -> Baseline:
    """What the report says of it."""
    ttft = percentiles(np.array([each.ttft_ns for each in exchanges], np.int64))
    assert ttft is not None  # of one request or more
    paces = [each.tpot_ns for each in exchanges if each.tpot_ns is not None]
    return Baseline(
        requests=len(exchanges),
        round_trip_ms=unloaded.round_trip_ns / 1e6,
        fixed_ms=unloaded.fixed_ns / 1e6,
        ms_per_prompt_token=unloaded.ns_per_token / 1e6,
        ttft_ms=ttft,
        tpot_ms=percentiles(np.array(paces, np.float64)),
        sources={} if paces else {"tpot_ms": Source(missing="every request had a single token")},
    )
