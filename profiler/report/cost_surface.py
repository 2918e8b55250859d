"""What a prefill and a decode step cost over their sizes, as measured: what `simulate --costs` reads from a report."""

from __future__ import annotations

from msgspec import Struct

from profiler.report.vocabulary import Tier


class PrefillCost(Struct, frozen=True, kw_only=True):
    """One prefill of `batch_size` prompts of `prompt_tokens` each: `ms`, and the interval of another run's median."""

    batch_size: int
    prompt_tokens: int
    ms: float
    low_ms: float | None = None
    high_ms: float | None = None


class DecodeCost(Struct, frozen=True, kw_only=True):
    """One decode step of `batch_size` sequences that have `context_tokens` each."""

    batch_size: int
    context_tokens: int
    ms: float
    low_ms: float | None = None
    high_ms: float | None = None


class MixedCost(Struct, frozen=True, kw_only=True):
    """One iteration that prefills a prompt while `batch_size` sequences of `context_tokens` each get a token."""

    prompt_tokens: int
    batch_size: int
    context_tokens: int
    ms: float


class CostSurface(Struct, frozen=True, kw_only=True):
    """Both phases over a grid: every batch size with every length. Between its points times are interpolated.

    `prefill_error_ratio` and `decode_error_ratio` say how far the interpolation is off: the median, over the points
    that were held out, of its distance from the measured time over that time; `missing` why one of them is null. What
    was held out lies between the points of the grid, and was measured only for this. `mixed` is of engines that do both
    phases in one iteration; where it is empty, nobody measured that.
    """

    tier: Tier
    prefill: list[PrefillCost]
    decode: list[DecodeCost]
    prefill_error_ratio: float | None
    decode_error_ratio: float | None
    missing: str | None = None
    prefill_held_out: list[PrefillCost] = []
    decode_held_out: list[DecodeCost] = []
    mixed: list[MixedCost] = []
