"""Where the level of a series changed: the split whose sides' ranks differ most, and again on both sides of it.

Ranks, because one run that a neighbour slowed is no new level. The largest Mann-Whitney statistic over all splits, each
over its standard deviation so that late changes count as much as those in the middle, is no Mann-Whitney statistic any
more (Lausen and Schumacher, Biometrics 48, 1992): how rare it is, is told by shuffling the series.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Four against four: with fewer, no order of all results is rarer than one in twenty.
FEWEST = 8
_LEAST_LEVEL = 2
_SHUFFLES = 1999
_SEED = 0


def change_points(values: Sequence[float], confidence: float) -> list[int]:
    """The positions at which a new level begins, in order."""
    return sorted(_within(np.asarray(values, float), 0, confidence))


def _within(values: NDArray[np.float64], first: int, confidence: float) -> list[int]:
    if len(values) < FEWEST:
        return []
    ranks = _ranks(values)
    strength = _strength(ranks[None]).max()
    shuffled = np.random.default_rng(_SEED).permuted(np.tile(ranks, (_SHUFFLES, 1)), axis=1)
    as_strong = int((_strength(shuffled).max(axis=1) >= strength - 1e-9).sum())
    if (1 + as_strong) / (1 + _SHUFFLES) > 1 - confidence:
        return []
    at = _best_split(values)
    return [first + at, *_within(values[:at], first, confidence), *_within(values[at:], first + at, confidence)]


def _best_split(values: NDArray[np.float64]) -> int:
    """Where two levels fit best, by absolute distances: ranks cannot tell the highest of the lower from the others."""
    splits = range(_LEAST_LEVEL, len(values) - _LEAST_LEVEL + 1)
    return min(splits, key=lambda at: sum(np.abs(side - np.median(side)).sum() for side in (values[:at], values[at:])))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 1; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return np.asarray(((last - counts + 1 + last) / 2)[which])


def _strength(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the rank sum before each split is from its mean, in standard deviations: shape (series, splits)."""
    count = ranks.shape[1]
    before = np.arange(_LEAST_LEVEL, count - _LEAST_LEVEL + 1)
    sums = ranks.cumsum(axis=1)[:, before - 1]
    deviation = np.sqrt(before * (count - before) * (count + 1) / 12)
    return np.asarray(np.abs(sums - before * (count + 1) / 2) / deviation)
