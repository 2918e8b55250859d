"""The parts of several results in one: a spatial median, which a trace that went wrong does not move.

Parts come from few traced iterations, so that one disturbed trace shifts milliseconds from one cause to another. A mean
would follow it, and medians part by part do not sum to the time. The point with the least sum of distances to all
results does both: it is a weighted mean of them, and half of them may be anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ROUNDS = 60
_RESAMPLES = 1000
_SEED = 0


def centre(fractions: Array) -> Array:
    """The spatial medians of compositions, shape (..., results, parts) to (..., parts): sums of 1 stay sums of 1.

    Weiszfeld's iteration from the mean (Tohoku Mathematical Journal 43, 1937).
    """
    found = fractions.mean(axis=-2, keepdims=True)
    for _ in range(_ROUNDS):
        distances = np.linalg.norm(fractions - found, axis=-1, keepdims=True)
        weights = 1 / np.maximum(distances, 1e-9)
        found = (weights * fractions).sum(axis=-2, keepdims=True) / weights.sum(axis=-2, keepdims=True)
    return np.asarray(found[..., 0, :])


def centre_ms(fractions: Array, times: Array) -> Array:
    """The parts in ms: fractions (..., results, parts) of times (..., results), whose geometric mean is the side's."""
    return np.asarray(centre(fractions) * np.exp(np.log(times).mean(axis=-1, keepdims=True)))


def change_interval(
    before: tuple[Array, Array], after: tuple[Array, Array], confidence: float, in_turn: bool
) -> tuple[Array, Array]:
    """Both ends of each part's change in ms, by a bootstrap over results (Efron and Tibshirani, 1993, ch. 13).

    A side is its fractions, shape (results, parts), and its times in ms. Pairs that were taken in turn are drawn
    together. Resamples of n results scatter by sqrt((n - 1) / n) of what they should, which is made good.
    """
    random = np.random.default_rng(_SEED)
    counts = [len(side[1]) for side in (before, after)]
    picks = [random.integers(count, size=(_RESAMPLES, count)) for count in counts]
    if in_turn:
        picks[1] = picks[0]
    old, new = (
        centre_ms(fractions[pick], times[pick]) for (fractions, times), pick in zip((before, after), picks, strict=True)
    )
    middle = centre_ms(*after) - centre_ms(*before)
    wider = np.sqrt(min(counts) / (min(counts) - 1))
    outside = (1 - confidence) / 2
    low, high = np.quantile(new - old, [outside, 1 - outside], axis=0)
    return middle + (low - middle) * wider, middle + (high - middle) * wider
