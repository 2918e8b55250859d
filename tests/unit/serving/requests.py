"""Logs in a few words, where real ones are, and costs whose runs are exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from profiler.report.cost_surface import CostSurface, DecodeCost, PrefillCost
from profiler.report.vocabulary import Tier
from profiler.serving.costs import Chunk, ConstantCosts
from profiler.serving.log import RequestLog, Rows

REAL_LOGS = Path(__file__).parents[3] / "../shared/data/requests"
SECOND = 10**9
SPEEDS = ConstantCosts(20_000, 50)


def real_log(name: str) -> Path:
    path = REAL_LOGS / name
    if not path.exists():
        pytest.skip(f"{name} is not at {REAL_LOGS.resolve()}")
    return path


def log_of(*requests: tuple[float, int, int], priorities: Sequence[int] = ()) -> RequestLog:
    """From (arrival in seconds, prompt, output)."""
    rows = Rows()
    for number, (arrival_s, prompt, output) in enumerate(requests):
        rows.add(round(arrival_s * SECOND), prompt, output, priorities[number] if priorities else 0)
    return rows.log("a test")


def surface(
    prefill: Sequence[tuple[int, int, float]] = ((1, 100, 20.0), (1, 1100, 120.0)),
    decode: Sequence[tuple[int, int, float]] = ((1, 0, 10.0), (1, 1000, 11.0), (11, 0, 12.0), (11, 1000, 23.0)),
) -> CostSurface:
    """From (batch, tokens, ms)."""
    return CostSurface(
        tier=Tier.HOST,
        prefill=[PrefillCost(batch_size=batch, prompt_tokens=tokens, ms=ms) for batch, tokens, ms in prefill],
        decode=[DecodeCost(batch_size=batch, context_tokens=tokens, ms=ms) for batch, tokens, ms in decode],
        prefill_error_ratio=None,
        decode_error_ratio=None,
    )


@dataclass(frozen=True)
class WholeCosts:
    """An engine in whole nanoseconds, so that a run of steps is exactly the sum of them."""

    empty_ns: int = 1000
    prompt_token_ns: int = 10
    sequence_ns: int = 100
    context_token_ns: int = 1
    prefill_gives_token: bool = True

    def iteration_ns(self, chunks: Sequence[Chunk], batch: int, context_tokens: int) -> int:
        prompts = sum(tokens * self.prompt_token_ns + there for tokens, there in chunks)
        return self.empty_ns + prompts + batch * self.sequence_ns + context_tokens * self.context_token_ns

    def steps_ns(self, batch: int, context_tokens: int, steps: int) -> int:
        growth = batch * steps * (steps - 1) // 2
        return steps * self.iteration_ns((), batch, context_tokens) + growth * self.context_token_ns

    def steps_begun(self, batch: int, context_tokens: int, within_ns: int) -> int:
        steps = 1
        while self.steps_ns(batch, context_tokens, steps) < within_ns:
            steps += 1
        return steps

    def alone_ns(self, prompt_tokens: NDArray[np.int64], output_tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.empty_ns * output_tokens + prompt_tokens * float(self.prompt_token_ns)
