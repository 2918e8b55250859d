"""Which parts of a time changed it: those that surely did, and the one that most likely did most.

Each part's change is estimated from few results, and the parts share the noise: what a trace gave one too much it took
from another. Both judgements use that, and neither asks more of a part than its own change.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from profiler.compare.change import spread, standard_error
from profiler.measure.statistics import student_probability

Array = NDArray[np.float64]

# Sets of parts double with each: of more than these, the smallest are taken as one, which has no name.
_MOST_PARTS = 12


def sure_parts(changes: Array, before: Array, after: Array, confidence: float, in_turn: bool) -> list[bool] | None:
    """Whether each part surely changed, all of these claims together with that confidence; None for too few results.

    `changes` has shape (parts,), the results of each side (results, parts), in ms. A closed test (Marcus, Peritz and
    Gabriel, Biometrika 63, 1976): a part has changed if of every set of parts that it is in the sum did, each by
    Student's t at the full confidence. Where the time as a whole surely changed, that costs next to nothing; the
    same claims by Bonferroni's inequality would need intervals half as wide again.
    """
    kept = np.argsort(-(before.sum(axis=0) + after.sum(axis=0)), kind="stable")[:_MOST_PARTS]
    others = np.setdiff1d(np.arange(len(changes)), kept)
    groups = np.zeros((len(kept) + bool(len(others)), len(changes)))
    groups[np.arange(len(kept)), kept] = 1
    groups[-1, others] = 1
    sets = np.array([each for each in product((0.0, 1.0), repeat=len(groups)) if any(each)])
    sums = (sets @ groups).T
    reach = spread([*(before @ sums)], [*(after @ sums)], confidence, in_turn)
    if reach is None:
        return None
    changed = np.abs(changes @ sums) > reach
    sure = dict(zip(kept.tolist(), (bool(changed[sets[:, i] == 1].all()) for i in range(len(kept))), strict=True))
    return [sure.get(part, False) for part in range(len(changes))]


def leading_part(changes: Array, before: Array, after: Array, way: float, in_turn: bool) -> tuple[int, float] | None:
    """The part that changed most in the way of the whole, and how probable it is that none did more.

    The way is the sign of `way`. At least as probable: 1 less the probabilities that each other one did, by Student's t
    on the difference of the two (Bonferroni). None where no part went that way, or for too few results.
    """
    toward = changes * np.sign(way)
    first = int(np.argmax(toward))
    found = standard_error([*(before - before[:, [first]])], [*(after - after[:, [first]])], in_turn)
    if toward[first] <= 0 or found is None:
        return None
    errors, freedom = found
    behind = [
        1 - student_probability(float((toward[first] - toward[other]) / errors[other]), freedom)
        for other in range(len(changes))
        if other != first and errors[other] > 0
    ]
    return first, max(1 - sum(behind), 0.0)
