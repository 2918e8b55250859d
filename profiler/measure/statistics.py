"""How sure a duration is: the interval in which another run's median is expected."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist, median, stdev

from profiler.report.records import Distribution

CONFIDENCE = 0.95
_NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

# What one process cannot see of how far runs differ, as standard deviations between processes over the median. Six
# processes on an H100 found a captured decode step to take 4.58 to 4.62 ms, each within 0.1%, which is 0.4%; and an
# eager one, at its host's full speed, 19.3 to 20.3 ms, which is 1.7%. A launch-bound prefill differed by more.
DEVICE_RUN_TO_RUN = 0.004
HOST_RUN_TO_RUN = 0.02


def distribution(
    samples_by_repeat: list[list[float]], run_to_run: float = DEVICE_RUN_TO_RUN, common: float = 0.0
) -> Distribution:
    """What the samples of some independent repeats (in ms, or any unit) say together.

    `median` is that of all samples. `low`..`high` is the 95% prediction interval for the median of another run of as
    many repeats, on both sides of it

        sqrt((t(R-1) * s * sqrt(pi/R))^2 + (z * sqrt(2) * run_to_run * median)^2 + (z * common * median)^2)

    where s is the standard deviation of the R repeat medians: both runs' medians scatter by s * sqrt(pi / (2 R)), that
    of a median of normal values, processes by `run_to_run` besides, and all samples may be off alike by `common`, a
    standard deviation over the median (Hahn and Meeker, Statistical Intervals, ch. 4,
    for the prediction of a future sample). It is cut at 0 where no sample is negative. With one repeat there is none.

    Iterations of one repeat share its cache, its clocks and its luck, so they never stand in for repeats.
    Raises `ValueError` when there are no samples at all.
    """
    repeats = [samples for samples in samples_by_repeat if samples]
    if not repeats:
        raise ValueError("a distribution needs at least one sample")
    samples = [sample for repeat in repeats for sample in repeat]
    middle = median(samples)
    repeat_medians = [median(repeat) for repeat in repeats]
    low = high = None
    if len(repeats) > 1:
        besides = _NORMAL * abs(middle) * math.hypot(math.sqrt(2) * run_to_run, common)
        reach = math.hypot(_within(repeat_medians), besides)
        low, high = middle - reach, middle + reach
        if min(samples) >= 0:
            low = max(low, 0.0)
    return Distribution(median=middle, low=low, high=high, samples=samples, repeat_medians=repeat_medians)


def _within(values: list[float]) -> float:
    """How far the median of as many values may lie from that of these."""
    count = len(values)
    return student_t(CONFIDENCE, count - 1) * stdev(values) * math.sqrt(math.pi / count)


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


def student_probability(value: float, degrees_of_freedom: int) -> float:
    """P(T < value) of a Student variable with whole degrees of freedom."""
    within = _probability_within(math.atan(abs(value) / math.sqrt(degrees_of_freedom)), degrees_of_freedom)
    return (1 + math.copysign(within, value)) / 2


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
