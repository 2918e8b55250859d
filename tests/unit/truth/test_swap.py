"""The hardware swap: predictions from what was recorded on an H100, held against what an H200 took."""

from __future__ import annotations

import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from benchmarks.truth import __main__ as command
from benchmarks.truth.configurations import BATCHES, MODELS, PROMPTS, Configuration, configurations, groups
from benchmarks.truth.results import read_section, report_path, write_report, write_section
from benchmarks.truth.section import Section
from benchmarks.truth.swap_comparison import Outcome, claims_of, compare
from benchmarks.truth.swap_recorded import TOLERANCE, TRUTHS, UNRECORDED, Compared, claim_of, compared, section_of
from benchmarks.truth.swap_records import read_measured
from profiler.attribute.timeline_record import restored
from profiler.report.store import load_report
from tests.unit.attribute.recorded_judgements import recorded

RUNS = Path(__file__).parents[2] / "data" / "truth" / "swap"


@cache
def the_swap() -> Section:
    return compare(RUNS / "h100", RUNS / "h200")


@cache
def outcomes() -> dict[str, Outcome]:
    return {str(found["name"]): Outcome(**found) for found in the_swap().details["outcomes"]}


def test_what_the_h100_says_of_the_h200_holds() -> None:
    assert [claim.holds for claim in the_swap().claims] == [True, True]


def test_every_configuration_that_is_claimed_was_run_on_both_cards() -> None:
    assert set(outcomes()) == {configuration.name for configuration in configurations()}
    assert len(configurations()) == len(MODELS) * (len(PROMPTS) + len(BATCHES)) + 1


def test_ours_beats_both_baselines_on_what_changes() -> None:
    changed = [outcome for outcome in outcomes().values() if outcome.changes]
    assert len(changed) >= 8
    for outcome in changed:
        ours, roofline, nothing = (
            abs(outcome.error(value)) for value in (outcome.ours, outcome.roofline, outcome.nothing)
        )
        assert ours < max(roofline, nothing), outcome.name


def test_the_prediction_from_datasheets_is_near_that_from_measured_bandwidths() -> None:
    """The datasheets' ratio is 1.43, the measured one 1.41."""
    assert the_swap().details["bandwidth_ratio"] == pytest.approx(1.408, abs=0.01)
    for outcome in outcomes().values():
        assert outcome.ours == pytest.approx(outcome.ours_measured, rel=0.02), outcome.name


def test_a_configuration_that_one_card_lacks_is_named_and_not_claimed(tmp_path: Path) -> None:
    shutil.copytree(RUNS / "h100", tmp_path / "h100")
    report = load_report(report_path(RUNS / "h100", "swap"))
    kept, dropped = report.phases[0], report.phases[1]
    write_report(tmp_path / "h100", "swap", structs.replace(report, phases=[kept]))

    found = compare(tmp_path / "h100", RUNS / "h200")

    assert [one["name"] for one in found.details["outcomes"]] == [kept.name]
    assert f"{dropped.name}: no evidence from the first card" in found.notes


def outcome(before: float, after: float, ours: float, roofline: float) -> Outcome:
    return Outcome("one", before, after, ours, ours, ours, ours, roofline)


def test_only_what_changes_by_more_than_a_twentieth_counts_for_the_median() -> None:
    same = [outcome(100.0, 100.0, 109.0, 100.0)] * 5
    changed = outcome(100.0, 80.0, 81.0, 70.0)
    median, worst = claims_of([*same, changed])
    assert median.holds  # 1.3% against 12.5%
    assert worst.holds
    assert "(1 configurations)" in median.measured


def test_a_median_error_over_a_third_of_the_better_baseline_fails() -> None:
    median, worst = claims_of([outcome(100.0, 80.0, 84.0, 88.0)])  # 5% against 10%
    assert median.holds is False
    assert worst.holds


def test_one_configuration_that_is_far_off_fails() -> None:
    good = [outcome(100.0, 80.0, 80.0, 70.0)] * 9
    median, worst = claims_of([*good, outcome(100.0, 100.0, 89.0, 100.0)])
    assert median.holds
    assert worst.holds is False


def test_nothing_that_changes_proves_no_median() -> None:
    median, worst = claims_of([outcome(100.0, 99.0, 99.0, 70.0)])
    assert median.holds is None
    assert worst.holds
    assert [claim.holds for claim in claims_of([])] == [None, None]


@pytest.mark.parametrize("truth", [truth for truth in TRUTHS if truth.recording], ids=lambda truth: truth.phase)
def test_the_share_of_memory_of_a_recorded_phase_is_what_the_earlier_swap_showed(truth: object) -> None:
    evidence = restored(recorded(truth.recording).judgement.timeline)  # type: ignore[attr-defined]
    assert evidence is not None
    row = compared(truth, evidence)  # type: ignore[arg-type]
    assert row.share == pytest.approx(row.truth.memory_share, abs=TOLERANCE)
    assert row.low <= row.share <= row.high
    assert abs(row.share - row.truth.memory_share) < abs(row.roofline - row.truth.memory_share)


def test_the_phase_that_was_run_again_for_it_is_within_the_tolerance_as_well() -> None:
    found = section_of(load_report(report_path(RUNS / "h100", "swap-recorded")).phases, {})
    (claim,) = found.claims
    assert claim.holds, claim.measured
    assert len(found.tables[0].rows) == len(TRUTHS)


def test_how_often_the_range_of_a_share_holds_the_truth_is_said() -> None:
    found = section_of(load_report(report_path(RUNS / "h100", "swap-recorded")).phases, {})
    rows = [
        (float(row[1]), *map(float, row[2].partition("(")[2].rstrip(")").split(" .. "))) for row in found.tables[0].rows
    ]
    held = sum(low <= truth <= high for truth, low, high in rows)
    assert f"holds the recorded truth in {held} of 9 rows" in found.notes[-1]


def test_the_truth_follows_from_both_cards_times() -> None:
    for truth in TRUTHS:
        share = (1 - truth.h200_ms / truth.h100_ms) / (1 - 1 / 1.408)
        assert truth.memory_share == pytest.approx(share, abs=0.001), truth.phase


def test_without_a_gpu_the_recorded_rows_are_judged_and_the_claim_is_not_tested(tmp_path: Path) -> None:
    assert command.main(["swap", "--recorded-only", "--device", "cpu", "--out", str(tmp_path)]) == 1
    found = read_section(tmp_path / "swap-recorded.json")
    (claim,) = found.claims
    assert claim.holds is None
    assert claim.measured.endswith("8 rows; not run: decode 128x2048")
    assert len(found.tables[0].rows) == len(TRUTHS) - 1
    assert found.notes[0] == "decode 128x2048 was not run here: it needs a GPU"
    assert "of 8 rows" in found.notes[1]


def test_a_row_that_is_off_fails_though_another_one_is_missing() -> None:
    off = Compared(TRUTHS[0], share=1.0, low=0.9, high=1.0, roofline=1.0)
    assert claim_of([off], ["decode 128x2048"]).holds is False
    assert claim_of([], ["all"]).holds is None


def test_the_phase_without_a_recording_is_run_without_cudnns_attention() -> None:
    assert UNRECORDED.spec.attention == "efficient"
    assert UNRECORDED.name == "llama-3.1-8b decode 128x2048, efficient attention"


def test_groups_hold_everything_once_and_fit() -> None:
    needs = [(Configuration("tiny", "decode", batch, 16), 10 * batch) for batch in (8, 1, 4, 2, 9)]
    found = groups(needs, room_bytes=100)
    assert sorted(one.batch_size for group in found for one in group) == [1, 2, 4, 8, 9]
    assert all(sum(10 * one.batch_size for one in group) <= 100 for group in found)


def test_what_fits_nowhere_is_a_group_of_its_own() -> None:
    needs = [(Configuration("tiny", "decode", batch, 16), batch) for batch in (1, 500, 600)]
    assert [len(group) for group in groups(needs, room_bytes=100)] == [1, 1, 1]


def test_a_section_survives_its_file(tmp_path: Path) -> None:
    section, measured = read_measured(RUNS / "h100")
    again = read_section(write_section(tmp_path, section))
    assert again == section
    assert read_measured(tmp_path)[1] == measured


def test_a_step_with_more_cache_takes_longer_on_either_card() -> None:
    for card in ("h100", "h200"):
        timings = read_measured(RUNS / card)[1].timings
        for model in MODELS:
            times = [timings[f"{model} decode {batch}x512"].wall_ms for batch in BATCHES]
            assert all(before < after for before, after in pairwise(times))
