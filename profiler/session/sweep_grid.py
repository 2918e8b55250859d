"""Which sizes a sweep measures: batch sizes and lengths, all with all, and some between them to test the surface."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Prompts of several tokens cost almost nothing more than one on a GPU; from some hundred on the time is their number's.
_PROMPTS, _PROMPT_BATCHES = (32, 128, 512, 2048, 8192), (1, 4)
# A step grows with the context only where the batch is large, and evenly.
_CONTEXTS, _DECODE_BATCHES = (128, 1024, 4096), (1, 4, 16, 64)
_WORTH_ITS_PLACE = 1.5  # times the length before it


@dataclass(frozen=True, slots=True)
class Size:
    """So many sequences, of so many tokens each: of the prompt, or of the context that a step finds."""

    batch_size: int
    tokens: int

    def holds(self, other: Size) -> bool:
        """Whether the other is no larger, in either way."""
        return other.batch_size <= self.batch_size and other.tokens <= self.tokens

    def __str__(self) -> str:
        return f"batch {self.batch_size:,} of {self.tokens:,} tokens"


@dataclass(frozen=True, slots=True)
class SweepGrid:
    """Every batch size with every length; both ascend."""

    batches: tuple[int, ...]
    lengths: tuple[int, ...]

    def sizes(self) -> list[Size]:
        """All of them, batch size by batch size."""
        return [Size(batch, length) for batch in self.batches for length in self.lengths]

    def between(self) -> list[Size]:
        """Sizes in the middle of its cells, along the diagonal: each gap between neighbours is met once.

        The middle is that of ratios, where a straight line between two sizes is furthest from a curve.
        """
        if not (self.batches and self.lengths):
            return []
        batches, lengths = _middles(self.batches), _middles(self.lengths)
        number = max(len(lengths), len(batches) if len(self.batches) > 1 else 0)
        found = dict.fromkeys(
            Size(batches[place % len(batches)], lengths[place % len(lengths)]) for place in range(number)
        )
        return [size for size in found if size.batch_size not in self.batches or size.tokens not in self.lengths]


def _middles(values: tuple[int, ...]) -> list[int]:
    """Between each two neighbours; the value itself where there is but one."""
    return [round(math.sqrt(low * high)) for low, high in pairwise(values)] or list(values)


def grid_of(
    name: str, longest: int | None, batches: Sequence[int] | None = None, lengths: Sequence[int] | None = None
) -> SweepGrid:
    """The grid of `prefill` or `decode`: as asked for, or the usual one for lengths up to `longest`."""
    usual_batches: tuple[int, ...] = _PROMPT_BATCHES if name == "prefill" else _DECODE_BATCHES
    usual: tuple[int, ...] = _PROMPTS if name == "prefill" else _CONTEXTS
    if longest is not None and longest < usual[-1]:
        shorter = tuple(length for length in usual if length <= longest)
        beyond = not shorter or longest >= _WORTH_ITS_PLACE * shorter[-1]
        usual = (*shorter, longest) if beyond else shorter
    return SweepGrid(tuple(sorted(set(batches or usual_batches))), tuple(sorted(set(lengths or usual))))
