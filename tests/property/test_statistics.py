from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.measure.statistics import distribution, student_probability, student_t
from profiler.report.records import Distribution

durations = st.floats(min_value=1e-3, max_value=1e5, allow_nan=False)
repeats = st.lists(st.lists(durations, min_size=1, max_size=8), min_size=2, max_size=8)


@given(repeats)
def test_the_interval_holds_the_median(samples: list[list[float]]) -> None:
    result = distribution(samples)
    assert result.low is not None
    assert result.high is not None
    assert 0 <= result.low <= result.median <= result.high
    assert result.median == median([sample for repeat in samples for sample in repeat])


@given(repeats, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_of_the_samples_does_not_matter(samples: list[list[float]], factor: float) -> None:
    plain = distribution(samples)
    scaled = distribution([[factor * sample for sample in repeat] for repeat in samples])
    assert scaled.median == pytest.approx(factor * plain.median)
    assert plain.low is not None
    assert plain.high is not None
    tolerance = factor * 1e-9 * plain.high
    assert scaled.low == pytest.approx(factor * plain.low, abs=tolerance)
    assert scaled.high == pytest.approx(factor * plain.high, abs=tolerance)


@given(repeats)
def test_the_order_of_the_repeats_does_not_matter(samples: list[list[float]]) -> None:
    there, back = distribution(samples), distribution(samples[::-1])
    assert back.median == there.median
    assert back.low == pytest.approx(there.low)
    assert back.high == pytest.approx(there.high)


@given(durations, st.integers(2, 8), st.integers(1, 8))
def test_equal_samples_leave_no_doubt_but_that_between_processes(
    value: float, repeat_count: int, iterations: int
) -> None:
    same = distribution([[value] * iterations] * repeat_count, run_to_run=0.0)
    assert same.low == pytest.approx(value)
    assert same.high == pytest.approx(value)

    other = distribution([[value] * iterations] * repeat_count, run_to_run=0.01)
    assert other.low == pytest.approx(value * (1 - 1.96 * math.sqrt(2) * 0.01), rel=1e-4)
    assert other.high == pytest.approx(value * (1 + 1.96 * math.sqrt(2) * 0.01), rel=1e-4)


@given(repeats)
def test_repeats_without_samples_change_nothing(samples: list[list[float]]) -> None:
    assert distribution([*samples, []]) == distribution(samples)


@given(st.lists(durations, min_size=1, max_size=20))
def test_one_repeat_has_no_interval_however_many_iterations_it_has(samples: list[float]) -> None:
    result = distribution([samples])
    assert (result.low, result.high) == (None, None)


def test_no_samples_are_no_distribution() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        distribution([[], []])


def test_a_stray_repeat_widens_the_interval_and_leaves_the_median() -> None:
    usual = [[10.0, 10.1, 9.9]] * 2 + [[10.05, 10.1, 9.95]] * 2
    calm = distribution([*usual, [10.0, 10.1, 9.9]])
    stray = distribution([*usual, [15.0, 15.1, 14.9]])
    assert stray.median == pytest.approx(calm.median, rel=0.02)
    assert stray.high is not None
    assert stray.high > 14.0  # one repeat in five was so: two or three of the next five may be
    assert calm.high is not None
    assert calm.high < 10.3


@pytest.mark.parametrize("repeat_count", [3, 5, 20])
@pytest.mark.parametrize(("within", "between"), [(0.0, 0.0), (0.02, 0.0), (0.02, 0.01), (0.0, 0.01)])
def test_another_run_falls_into_the_interval_19_times_of_20_or_more(
    repeat_count: int, within: float, between: float
) -> None:
    """Repeats differ by their luck (clocks, neighbours), processes by theirs (placement), iterations by their noise."""
    chance = random.Random(20_240_229)

    def run() -> Distribution:
        process = chance.gauss(30.0, 30.0 * between)
        lucks = [chance.gauss(process, 30.0 * within) for _ in range(repeat_count)]
        return distribution([[chance.gauss(luck, 0.5) for _ in range(9)] for luck in lucks], run_to_run=between)

    trials = 1000
    inside = 0
    for _ in range(trials):
        expected, another = run(), run()
        assert expected.low is not None
        assert expected.high is not None
        inside += expected.low <= another.median <= expected.high
    assert inside / trials >= 0.95 - 0.02  # three standard errors of 1,000 trials


# NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2, column 0.975
@pytest.mark.parametrize(
    ("degrees_of_freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (10, 2.228), (30, 2.042), (100, 1.984)],
)
def test_the_t_quantiles_are_those_of_the_printed_table(degrees_of_freedom: int, quantile: float) -> None:
    assert student_t(0.95, degrees_of_freedom) == pytest.approx(quantile, abs=6e-4)


@given(st.integers(1, 200))
def test_t_shrinks_towards_the_normal_quantile(degrees_of_freedom: int) -> None:
    assert 1.95996 < student_t(0.95, degrees_of_freedom + 1) < student_t(0.95, degrees_of_freedom)
    assert math.isfinite(student_t(0.95, degrees_of_freedom))


@given(st.floats(0.01, 0.999), st.integers(1, 40))
def test_the_probability_of_a_quantile_is_its_own(confidence: float, degrees_of_freedom: int) -> None:
    quantile = student_t(confidence, degrees_of_freedom)
    assert student_probability(quantile, degrees_of_freedom) == pytest.approx((1 + confidence) / 2, abs=1e-9)
    assert student_probability(-quantile, degrees_of_freedom) == pytest.approx((1 - confidence) / 2, abs=1e-9)
