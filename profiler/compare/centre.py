"""The parts of several results in one: a spatial median, which a trace that went wrong does not move.

Parts come from few traced iterations, so that one disturbed trace shifts milliseconds from one cause to another. A mean
would follow it, and medians part by part do not sum to the time. The point with the least sum of distances to all
results does both: it is a weighted mean of them, and half of them may be anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ROUNDS = 100


def centre(fractions: Array) -> Array:
    """The spatial median of compositions, shape (results, parts) to (parts,): sums of 1 stay sums of 1.

    Weiszfeld's iteration from the mean (Tohoku Mathematical Journal 43, 1937).
    """
    found = fractions.mean(axis=0)
    for _ in range(_ROUNDS):
        weights = 1 / np.maximum(np.linalg.norm(fractions - found, axis=1), 1e-9)
        found = weights @ fractions / weights.sum()
    return np.asarray(found)


def centre_ms(fractions: Array, times: Array) -> Array:
    """The parts in ms: those of the centre, of the geometric mean of the times in ms."""
    return np.asarray(centre(fractions) * np.exp(np.log(times).mean()))
