"""Where the level of a series changed: Pettitt's rank test by permutation, and again on both sides of what it finds.

Ranks, because one run that a neighbour slowed is no new level (Pettitt, Applied Statistics 28, 1979). His formula for
the probability is for long series; shuffling the series gives it for short ones.
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
    strength = _strength(ranks[None])[0]
    shuffled = np.random.default_rng(_SEED).permuted(np.tile(ranks, (_SHUFFLES, 1)), axis=1)
    as_strong = int((_strength(shuffled).max(axis=1) >= strength.max() - 1e-9).sum())
    if (1 + as_strong) / (1 + _SHUFFLES) > 1 - confidence:
        return []
    at = int(strength.argmax()) + _LEAST_LEVEL
    return [first + at, *_within(values[:at], first, confidence), *_within(values[at:], first + at, confidence)]


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 1; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return np.asarray(((last - counts + 1 + last) / 2)[which])


def _strength(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pettitt's |U| for every split that leaves both levels enough, shape (series, splits)."""
    count = ranks.shape[1]
    before = np.arange(_LEAST_LEVEL, count - _LEAST_LEVEL + 1)
    sums = ranks.cumsum(axis=1)[:, before - 1]
    return np.asarray(np.abs(2 * sums - before * (count + 1)))
