"""When an outcome of the zoo is right, and what the section claims of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.truth.section import Claim, Section
from benchmarks.truth.zoo.entries import entry_of
from benchmarks.truth.zoo.outcome import MeasuredGain, Outcome
from benchmarks.truth.zoo.presentation import FEWEST_ENTRIES, section_of
from benchmarks.truth.zoo.relief import Gain
from profiler.attribute.verdict import refuse
from profiler.report.records import Verdict
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState

CLEAR, INCONCLUSIVE = VerdictState.CLEAR, VerdictState.INCONCLUSIVE
MEMORY, COMPUTE = BottleneckClass.MEMORY, BottleneckClass.COMPUTE


def verdict(klass: BottleneckClass, cause: Cause, state: VerdictState = CLEAR) -> Verdict:
    return Verdict(
        class_=klass,
        cause=cause,
        share=0.9,
        low=0.8,
        high=0.95,
        runner_up=None,
        runner_up_share=None,
        state=state,
        throttled=False,
        confidence=1.0,
    )


def outcome(
    name: str = "gemm.bfloat16",
    found: Verdict | None = None,
    predicted: float | None = 0.48,
    measured: float = 0.45,
) -> Outcome:
    return Outcome(
        entry=entry_of(name),
        wall_ms=3.0,
        verdict=found or verdict(COMPUTE, Cause.COMPUTE_TENSOR),
        roofline=COMPUTE,
        predicted=None if predicted is None else Gain(predicted, predicted - 0.02, predicted + 0.02),
        measured=MeasuredGain(measured, None, None),
    )


def section(outcomes: Sequence[Outcome], *, on_gpu: bool = True, failed: dict[str, str] | None = None) -> Section:
    return section_of(
        outcomes, not_run={}, failed=failed or {}, environment={"device": "a GPU"}, details={}, on_gpu=on_gpu
    )


def claim(of: Section, word: str) -> Claim:
    [found] = [claim for claim in of.claims if word in claim.text]
    return found


def test_a_clear_verdict_of_the_true_class_is_right() -> None:
    assert outcome().is_right
    assert not outcome().is_wrong


def test_a_verdict_of_another_class_is_wrong_however_sure() -> None:
    for state in (CLEAR, INCONCLUSIVE):
        found = outcome(found=verdict(MEMORY, Cause.MEMORY_WEIGHTS, state))
        assert found.is_wrong
        assert not found.is_right


def test_an_inconclusive_verdict_of_a_plain_truth_is_neither_right_nor_wrong() -> None:
    found = outcome(found=verdict(COMPUTE, Cause.COMPUTE_TENSOR, INCONCLUSIVE))
    assert not found.is_right
    assert not found.is_wrong


def test_a_tie_must_not_be_called_clear() -> None:
    assert not outcome("tie.compute_memory").is_right
    undecided = verdict(COMPUTE, Cause.COMPUTE_TENSOR, INCONCLUSIVE)
    assert outcome("tie.compute_memory", undecided).is_right


def test_a_tie_between_two_classes_is_wrong_of_a_third() -> None:
    assert outcome("tie.compute_memory", verdict(BottleneckClass.IO, Cause.IO_H2D, INCONCLUSIVE)).is_wrong


def test_a_refusal_is_not_right_and_not_wrong() -> None:
    found = outcome(found=refuse("the trace is not whole"), predicted=None)
    assert not found.is_right
    assert not found.is_wrong
    assert found.gain_error is None
    assert not found.is_foretold


@pytest.mark.parametrize(("predicted", "holds"), [(0.36, True), (0.54, True), (0.34, False), (0.56, False)])
def test_a_gain_is_foretold_within_ten_points(predicted: float, holds: bool) -> None:
    assert outcome(predicted=predicted, measured=0.45).is_foretold is holds


def test_all_claims_hold_of_enough_entries_that_are_right() -> None:
    found = section([outcome()] * FEWEST_ENTRIES)
    assert [claim.holds for claim in found.claims] == [True] * len(found.claims)
    assert found.holds


def test_too_few_entries_prove_nothing() -> None:
    assert claim(section([outcome()] * (FEWEST_ENTRIES - 1)), "entries run").holds is False


def test_an_entry_that_fails_is_said() -> None:
    found = section([outcome()] * FEWEST_ENTRIES, failed={"weights.gemv": "out of memory"})
    assert claim(found, "entries run").holds is False
    assert "weights.gemv: out of memory" in claim(found, "entries run").measured


def test_one_wrong_verdict_breaks_the_claims_and_is_named() -> None:
    wrong = outcome("weights.gemv", verdict(COMPUTE, Cause.COMPUTE_ISSUE))
    found = section([*[outcome()] * FEWEST_ENTRIES, wrong])
    assert claim(found, "no verdict is wrong").holds is False
    assert claim(found, "no verdict is wrong").measured == "24 of 25; not: weights.gemv"


def test_another_cause_of_the_right_class_is_not_what_was_named() -> None:
    found = section([*[outcome()] * FEWEST_ENTRIES, outcome(found=verdict(COMPUTE, Cause.COMPUTE_ISSUE))])
    assert claim(found, "no verdict is wrong").holds is True
    assert claim(found, "names the cause").holds is False


def test_a_gain_that_was_not_foretold_is_named_with_its_error() -> None:
    found = section([*[outcome()] * FEWEST_ENTRIES, outcome(predicted=0.1)])
    assert "gemm.bfloat16 (-0.35)" in claim(found, "foretold").measured


def test_nothing_is_claimed_of_a_processor() -> None:
    found = section([outcome()] * FEWEST_ENTRIES, on_gpu=False)
    assert [claim.holds for claim in found.claims] == [None] * len(found.claims)


def test_tables_have_a_row_for_each_entry_and_a_cell_for_each_column() -> None:
    for table in section([outcome(), outcome("tie.compute_memory", predicted=None)]).tables:
        assert [row[0] for row in table.rows] == ["gemm.bfloat16", "tie.compute_memory"]
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_both_baselines_are_held_against_the_truth() -> None:
    [note] = [note for note in section([outcome(), outcome("weights.gemv", predicted=0.5)]).notes if "roofline" in note]
    assert "1 of 2" in note  # it calls both compute
    assert "45.0 points" in note  # what a prediction of no change is off by


def test_how_often_the_range_of_a_predicted_gain_holds_the_measured_one_is_said() -> None:
    near, far = outcome(predicted=0.48, measured=0.47), outcome(predicted=0.48, measured=0.40)
    assert "holds the measured one of 1 of 2" in section([near, far]).notes[-1]
