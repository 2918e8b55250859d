"""How sure a duration is: the interval in which another run's median is expected."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import fmean, median, stdev

from profiler.report.records import Distribution

CONFIDENCE = 0.95


def distribution(samples_by_repeat: list[list[float]]) -> Distribution:
    """What the samples of some independent repeats (in ms, or any unit) say together.

    `median` is that of all samples. `low`..`high` is the 95% prediction interval for the median of one more repeat:
    mean +- t(R-1) * s * sqrt(1 + 1/R) over the R repeat medians (Hahn and Meeker, Statistical Intervals, ch. 4). It is
    widened where needed to hold `median`, and cut at 0 where no sample is negative. With one repeat there is none.

    A stray repeat widens the interval, on purpose: where one run in five was stray, the next one may be. Trimming it
    would claim a precision that five repeats cannot show.

    Iterations of one repeat share its cache, its clocks and its luck, so they never stand in for repeats.
    Raises `ValueError` when there are no samples at all.
    """
    repeats = [samples for samples in samples_by_repeat if samples]
    if not repeats:
        raise ValueError("a distribution needs at least one sample")
    samples = [sample for repeat in repeats for sample in repeat]
    middle = median(samples)
    repeat_medians = [median(repeat) for repeat in repeats]
    low, high = _prediction_interval(repeat_medians)
    if low is not None and high is not None:
        low, high = min(low, middle), max(high, middle)
        if min(samples) >= 0:
            low = max(low, 0.0)
    return Distribution(median=middle, low=low, high=high, samples=samples, repeat_medians=repeat_medians)


def _prediction_interval(values: list[float]) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    reach = student_t(CONFIDENCE, len(values) - 1) * stdev(values) * math.sqrt(1 + 1 / len(values))
    return fmean(values) - reach, fmean(values) + reach


@lru_cache
def student_t(confidence: float, degrees_of_freedom: int) -> float:
    """The t that a Student variable exceeds in neither direction with probability `confidence`.

    Exact for whole degrees of freedom: bisection of the closed form in Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(100):  # halves far below the last bit of a float
        angle = (low + high) / 2
        if _probability_within(angle, degrees_of_freedom) < confidence:
            low = angle
        else:
            high = angle
    return math.tan(low) * math.sqrt(degrees_of_freedom)


def _probability_within(angle: float, degrees_of_freedom: int) -> float:
    """P(|T| < t) for angle = atan(t / sqrt(degrees of freedom))."""
    odd = degrees_of_freedom % 2
    series, term = 0.0, math.cos(angle) if odd else 1.0
    for power in range(1 + odd, degrees_of_freedom, 2):
        series += term
        term *= power / (power + 1) * math.cos(angle) ** 2
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * series)
    return math.sin(angle) * series
