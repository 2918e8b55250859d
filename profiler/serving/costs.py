"""What an iteration of the engine takes. Constant speeds are here; a measured surface is in `surface`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NS_PER_S = 10**9
Chunk = tuple[int, int]  # tokens to prefill now, tokens of the same prompt that are there already


class Costs(Protocol):
    """Times in whole nanoseconds. `context_tokens` are those of all sequences of the batch together."""

    @property
    def prefill_gives_token(self) -> bool:
        """Whether the last prefill iteration of a prompt yields its first token, as a real engine's does."""

    def iteration_ns(self, chunks: Sequence[Chunk], batch: int, context_tokens: int) -> int:
        """One iteration: it prefills these chunks, and decodes a token for each of a batch, which may be 0."""

    def steps_ns(self, batch: int, context_tokens: int, steps: int) -> int:
        """So many decode steps one after the other; each lengthens every context by a token."""

    def steps_begun(self, batch: int, context_tokens: int, within_ns: int) -> int:
        """How many such steps begin before so much time has passed: at least 1."""

    def alone_ns(self, prompt_tokens: NDArray[np.int64], output_tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each request would take on an idle server."""


@dataclass(frozen=True, slots=True)
class ConstantCosts:
    """Constant speeds of each stream: streams do not slow each other, and the first token follows the first step."""

    prefill_tokens_per_s: float
    decode_tokens_per_s: float

    @property
    def prefill_gives_token(self) -> bool:
        """It does not: a prompt is charged first, then a decode step for each token."""
        return False

    def iteration_ns(self, chunks: Sequence[Chunk], batch: int, context_tokens: int) -> int:
        """As long as the longest of its streams."""
        longest = max((tokens for tokens, _ in chunks), default=0)
        prefill_ns = round(longest * NS_PER_S / self.prefill_tokens_per_s)
        return max(prefill_ns, self._step_ns) if batch else prefill_ns

    def steps_ns(self, batch: int, context_tokens: int, steps: int) -> int:
        """Every step takes the same time."""
        return steps * self._step_ns

    def steps_begun(self, batch: int, context_tokens: int, within_ns: int) -> int:
        """Rounded up: the step that is under way at that time has begun."""
        return max(-(-within_ns // self._step_ns), 1)

    def alone_ns(self, prompt_tokens: NDArray[np.int64], output_tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Both phases at their speeds."""
        return prompt_tokens * (NS_PER_S / self.prefill_tokens_per_s) + output_tokens * float(self._step_ns)

    @property
    def _step_ns(self) -> int:
        return max(round(NS_PER_S / self.decode_tokens_per_s), 1)
