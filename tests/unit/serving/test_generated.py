"""Requests that are typed, or drawn."""

from __future__ import annotations

import numpy as np
import pytest

from profiler.errors import UsageError
from profiler.serving.generated import Lengths, generated_requests, inline_requests, is_inline, like_inline
from tests.unit.serving.requests import SECOND

FIXED = Lengths("constant", 10)


def test_requests_can_be_typed_with_times_or_without() -> None:
    log = inline_requests("500:100, 4000:700@1.5,1000:300@0.25")
    assert log.arrival_ns.tolist() == [0, SECOND // 4, 3 * SECOND // 2]
    assert log.prompt_tokens.tolist() == [500, 1000, 4000]


@pytest.mark.parametrize(
    "text",
    ["log.csv", "500", "500:100:3", "500:100@", "-5:10", "", "5" * 5000 + ":1", "1:" + "5" * 19, "1:1@" + "9" * 400],
)
def test_other_text_is_no_request(text: str) -> None:
    assert not is_inline(text)
    with pytest.raises(UsageError, match="is no request") as caught:
        inline_requests(text)
    assert len(caught.value.message) < 120


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("7:7,500:0", "500:0 is a request without an output"),
        ("0:5", "0:5 is a request without a prompt"),
        ("1000000000:5", "1000000000:5 is a request with over 10,000,000 tokens"),
        ("5:5@99999999999", "5:5@99999999999 is a request that comes after over ten years"),
    ],
)
def test_a_typed_request_that_cannot_be_meant_is_named(text: str, what: str) -> None:
    assert is_inline(text)
    with pytest.raises(UsageError, match=what) as caught:
        inline_requests(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["500:-3", "500:100,abc", "abc,500:100", "500:1e3", "5:5@", "-5:10", "5;5:1"])
def test_misspelt_requests_are_known_for_requests(text: str) -> None:
    assert like_inline(text)


@pytest.mark.parametrize("text", ["log.csv", "500", "logs/12:30.csv", "day:5.csv", "", "2024/12:30.csv"])
def test_names_of_files_are_not_taken_for_requests(text: str) -> None:
    assert not like_inline(text)


def test_a_rate_at_which_they_would_come_for_ever_is_refused() -> None:
    with pytest.raises(UsageError, match="over ten years"):
        generated_requests(1e-6, 20_000, FIXED, FIXED, burstiness=1, seed=1)


@pytest.mark.parametrize("burstiness", [1.0, 0.25])
def test_they_come_at_the_rate_asked_for(burstiness: float) -> None:
    log = generated_requests(25, 100_000, FIXED, FIXED, burstiness=burstiness, seed=1)
    assert (len(log) - 1) / (log.arrival_ns[-1] / SECOND) == pytest.approx(25, rel=0.03)


def test_bursts_are_burstier() -> None:
    spreads = []
    for burstiness in (1.0, 0.25):
        gaps = np.diff(generated_requests(25, 50_000, FIXED, FIXED, burstiness=burstiness, seed=1).arrival_ns)
        spreads.append(gaps.std() / gaps.mean())
    # A gamma distribution varies by 1 / sqrt(shape).
    assert spreads == pytest.approx([1, 2], rel=0.05)


@pytest.mark.parametrize(
    ("text", "median", "mean"),
    [
        ("300", 300, 300),
        ("uniform:100:200", 150, 150),
        ("exponential:1000", 693, 1000),
        ("lognormal:500:1", 500, 500 * np.exp(0.5)),
    ],
)
def test_lengths_are_distributed_as_asked(text: str, median: float, mean: float) -> None:
    drawn = Lengths.parsed(text).drawn(100_000, np.random.default_rng(0))
    assert np.median(drawn) == pytest.approx(median, rel=0.02)
    assert drawn.mean() == pytest.approx(mean, rel=0.02)


def test_no_length_is_below_one() -> None:
    assert Lengths.parsed("exponential:1").drawn(1000, np.random.default_rng(0)).min() == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "normal:5:1",
        "uniform:5",
        "uniform:9:5",
        "lognormal:500:99",
        "exponential:x",
        "0",
        "-3",
        "nan",
        "1e9",
        "9" * 5000,
    ],
)
def test_lengths_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no distribution of lengths"):
        Lengths.parsed(text)
