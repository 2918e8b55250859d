from __future__ import annotations

from benchmarks._common import Estimate, Row
from benchmarks.truth.observer import claim_of, number, table_of


def test_a_row_that_claims_nothing_is_in_the_table_only() -> None:
    row = Row("ratio of means", Estimate(1.01, 0.99, 1.02), "")
    assert claim_of(row) is None
    assert table_of("t", [row]).rows == [("ratio of means", "1.01 (0.99 .. 1.02)", "")]


def test_a_claim_keeps_its_words_its_number_and_whether_it_holds() -> None:
    row = Row("eager TPOT", Estimate(25.0), "ms", claim="at most 24", holds=False, note="noisy")
    claim = claim_of(row)
    assert claim is not None
    assert (claim.text, claim.holds, claim.measured) == ("eager TPOT: at most 24", False, "25 ms (noisy)")


def test_what_was_not_measured_is_a_dash() -> None:
    assert number(Row("GPM", None, "", claim="within 0.05")) == "-"
