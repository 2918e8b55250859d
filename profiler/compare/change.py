"""Whether a time changed: its ratio with an interval, from results that each are one run. docs/adr/0032 has why.

All is done on logarithms, where twice as long and half as long are as far from each other as they are from no change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from profiler.measure.statistics import CONFIDENCE, student_t
from profiler.report.comparison import Basis, ChangeState

Values = Any  # a number, or an array of as many for each result

# The spread of a side is taken from its results only where there are so many that it is known to within about half.
_FEWEST_DEGREES = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One result's time in ms, its reach over it (see `OneTime`), and from how many repeats."""

    ms: float
    reach: float | None
    repeats: int


@dataclass(frozen=True, slots=True)
class Change:
    """ln(after / before), and how far from it the true one may lie; None where nothing says."""

    log_ratio: float
    reach: float | None
    basis: Basis

    def state(self, margin: float) -> ChangeState:
        """What can be said, where a ratio from 1 / (1 + margin) to 1 + margin is no change."""
        if self.reach is None:
            return ChangeState.INCONCLUSIVE
        if abs(self.log_ratio) + self.reach <= math.log1p(margin):
            return ChangeState.UNCHANGED
        return ChangeState.CHANGED if abs(self.log_ratio) > self.reach else ChangeState.INCONCLUSIVE


def change(before: Sequence[Sample], after: Sequence[Sample], confidence: float, in_turn: bool) -> Change:
    """How the time changed. The i-th of both sides belong together where they were taken `in_turn`.

    The results of a side differ by more than their own repeats show. With enough of them that is seen:

    - in turn: a t interval over the log ratios of the pairs, which leaves out what drifts from one pair to the next;
    - else a t interval on the difference of the sides' mean logarithms, their variance pooled.

    With fewer, each result's own reach has to do, which knows how far processes differ: two runs' difference has the
    mean square of both reaches. It is then widened to hold the ratios of all pairs of results that there are.

    Raises `ValueError` for a side without results, and for times that are not above zero.
    """
    if not before or not after or min(sample.ms for sample in (*before, *after)) <= 0:
        raise ValueError("a change needs times above zero on both sides")
    old, new = [math.log(sample.ms) for sample in before], [math.log(sample.ms) for sample in after]
    middle = fmean(new) - fmean(old)
    if all(sample.reach == 0 for sample in (*before, *after)):
        return Change(middle, 0.0, Basis.EXACT)
    found = spread(old, new, confidence, in_turn)
    if found is not None:
        return Change(middle, float(found), Basis.TURNS if _are_pairs(old, new, in_turn) else Basis.RESULTS)
    reach = _by_repeats(before, after, confidence)
    if reach is None:
        return Change(middle, None, Basis.NONE)
    farthest = max(abs(later - earlier - middle) for earlier in old for later in new)
    return Change(middle, max(reach, farthest), Basis.REPEATS)


def _are_pairs(before: Sequence[Values], after: Sequence[Values], in_turn: bool) -> bool:
    return in_turn and len(before) == len(after) > _FEWEST_DEGREES


def spread(before: Sequence[Values], after: Sequence[Values], confidence: float, in_turn: bool) -> Values | None:
    """How far the difference of the sides' means may be off, by how far their values differ; None for too few."""
    found = standard_error(before, after, in_turn)
    return None if found is None else student_t(confidence, found[1]) * found[0]


def standard_error(before: Sequence[Values], after: Sequence[Values], in_turn: bool) -> tuple[Values, int] | None:
    """The standard error of the difference of the sides' means, and its degrees of freedom; None for too few values.

    Over the differences of pairs that were taken in turn, else with a pooled variance.
    """
    if _are_pairs(before, after, in_turn):
        pairs = np.asarray(after) - np.asarray(before)
        return pairs.std(axis=0, ddof=1) / math.sqrt(len(pairs)), len(pairs) - 1
    freedom = len(before) + len(after) - 2
    if freedom < _FEWEST_DEGREES:
        return None
    squares = sum(len(side) * np.var(side, axis=0) for side in (before, after))
    return np.sqrt(squares / freedom * (1 / len(before) + 1 / len(after))), freedom


def _by_repeats(before: Sequence[Sample], after: Sequence[Sample], confidence: float) -> float | None:
    """From what each result knows of another run of itself: its reach is sqrt(2) standard deviations of one run."""
    squares = 0.0
    for side in (before, after):
        for sample in side:
            if sample.reach is None or sample.repeats < 2:
                return None
            wider = student_t(confidence, sample.repeats - 1) / student_t(CONFIDENCE, sample.repeats - 1)
            squares += (wider * sample.reach / len(side)) ** 2 / 2
    return math.sqrt(squares)
