import json
import math
from pathlib import Path

import pytest

from benchmarks._common import Estimate, Row, abba, finish, lies_within, median_ratio_over_blocks, ratio_over_blocks


def test_drift_that_both_blocks_of_a_pair_share_leaves_the_ratio_alone() -> None:
    ratio = ratio_over_blocks([10.1, 20.2, 30.3], [10.0, 20.0, 30.0])

    assert ratio.value == pytest.approx(1.01)
    assert ratio.low == pytest.approx(1.01)
    assert ratio.high == pytest.approx(1.01)


def test_the_interval_is_students_over_the_pairs() -> None:
    ratio = ratio_over_blocks([math.exp(-0.01), 1.0, math.exp(0.01)], [1.0, 1.0, 1.0])

    # mean 0, standard deviation 0.01, t with 2 degrees of freedom 4.3027
    assert ratio.value == pytest.approx(1.0)
    assert math.log(ratio.high or 0.0) == pytest.approx(4.3027 * 0.01 / math.sqrt(3), rel=1e-4)
    assert math.log(ratio.low or 0.0) == pytest.approx(-4.3027 * 0.01 / math.sqrt(3), rel=1e-4)


def test_swapping_the_sides_inverts_the_ratio() -> None:
    ours, theirs = [1.0, 1.3, 1.1], [1.2, 1.1, 1.0]

    ratio, inverse = ratio_over_blocks(ours, theirs), ratio_over_blocks(theirs, ours)

    assert ratio.value == pytest.approx(1 / inverse.value)
    assert ratio.low == pytest.approx(1 / (inverse.high or 0.0))


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0]), ([1.0, 2.0], [1.0])])
def test_one_pair_or_a_block_without_a_partner_gives_no_interval(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError):
        ratio_over_blocks(ours, theirs)


def test_disturbed_pairs_do_not_move_the_median_of_ratios() -> None:
    ours, theirs = [1.01] * 40 + [9.0] * 5, [1.0] * 45

    robust = median_ratio_over_blocks(ours, theirs)

    assert (robust.value, robust.low, robust.high) == (1.01, 1.01, 1.01)
    assert ratio_over_blocks(ours, theirs).value > 1.2


def test_the_bootstrap_holds_the_median_and_repeats_itself() -> None:
    ours = [1.0 + 0.001 * (step % 21 - 10) for step in range(150)]

    first, again = (median_ratio_over_blocks(ours, [1.0] * 150) for _ in range(2))

    assert first == again
    assert first.low is not None
    assert first.high is not None
    assert 0.99 < first.low <= first.value <= first.high < 1.01


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0]), ([1.0, 2.0], [1.0])])
def test_the_median_of_ratios_needs_pairs_too(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError):
        median_ratio_over_blocks(ours, theirs)


def test_a_claim_on_an_interval_needs_all_of_it() -> None:
    assert lies_within(Estimate(1.0, 0.985, 1.015), 0.98, 1.02)
    assert not lies_within(Estimate(1.0, 0.985, 1.021), 0.98, 1.02)
    assert not lies_within(Estimate(1.0, 0.979, 1.015), 0.98, 1.02)


def test_the_sides_take_turns_at_being_first() -> None:
    assert list(abba(2)) == [(0, 0), (0, 1), (1, 1), (1, 0)]


@pytest.mark.parametrize(
    ("holds", "code"), [([True, True], 0), ([True, False], 1), ([True, None], 0), ([None], 1), ([], 1)]
)
def test_the_exit_code_says_whether_every_claim_was_tested_and_holds(holds: list[bool | None], code: int) -> None:
    rows = [Row("something", Estimate(1.0), "", holds=one) for one in holds]

    assert finish("title", rows, None, {}) == code


def test_the_numbers_are_written_with_the_details(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "numbers.json"

    finish("TTFT", [Row("ratio", Estimate(1.25, 1.0, 1.5), "s", "at most 1", False)], out, {"environment": {"a": 1}})

    written = json.loads(out.read_text())
    assert written["holds"] is False
    assert written["rows"][0]["estimate"] == {"value": 1.25, "low": 1.0, "high": 1.5}
    assert written["environment"] == {"a": 1}
    printed = capsys.readouterr().out
    assert "1.25 s" in printed
    assert "1 .. 1.5" in printed
    assert "FAILS" in printed
