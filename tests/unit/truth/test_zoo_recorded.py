"""The zoo as GPUs ran it, judged again from what its reports keep: fails where a class changes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmarks.truth.results import read_section
from benchmarks.truth.zoo.kept import outcomes_again, section_again
from benchmarks.truth.zoo.outcome import Outcome, rejudge
from benchmarks.truth.zoo.presentation import FEWEST_ENTRIES
from profiler.report.store import load_report
from profiler.report.vocabulary import VerdictState

# zoo_<card>.json.gz is the report of a run, zoo_<card>_section.json the section beside it with the measured gains.
RECORDED = Path(__file__).parents[2] / "data" / "truth"


@cache
def outcomes(recording: Path) -> dict[str, Outcome]:
    section = read_section(recording.with_name(recording.name.replace(".json.gz", "_section.json")))
    return {outcome.entry.name: outcome for outcome in outcomes_again(load_report(recording), section)}


def _recorded() -> Iterator[object]:
    for recording in sorted(RECORDED.glob("zoo_*.json.gz")):
        for phase in load_report(recording).phases:
            yield pytest.param(recording, phase.name, id=f"{recording.name.partition('.')[0]}-{phase.name}")


EVERY_ENTRY = pytest.mark.parametrize(("recording", "name"), list(_recorded()))


def test_enough_entries_are_recorded() -> None:
    recordings = sorted(RECORDED.glob("zoo_*.json.gz"))
    assert recordings
    assert all(len(load_report(recording).phases) >= FEWEST_ENTRIES for recording in recordings)


@EVERY_ENTRY
def test_the_verdict_is_the_truth(recording: Path, name: str) -> None:
    outcome = outcomes(recording)[name]
    assert not outcome.is_wrong, outcome.verdict
    assert outcome.is_right, outcome.verdict


@EVERY_ENTRY
def test_the_cause_is_named(recording: Path, name: str) -> None:
    assert outcomes(recording)[name].names_the_cause


@EVERY_ENTRY
def test_what_the_relief_gained_is_foretold(recording: Path, name: str) -> None:
    outcome = outcomes(recording)[name]
    assert outcome.is_foretold, (outcome.predicted, outcome.measured)


H100 = RECORDED / "zoo_h100.json.gz"


def test_a_verdict_made_anew_is_as_sure_as_the_one_of_the_run() -> None:
    """Of products of random numbers the trace and the clean time differ by a sixth: 0.93 to 0.94."""
    report = load_report(H100)
    again = {name: verdict.confidence for name, verdict in rejudge(report)}
    assert again == pytest.approx({phase.name: phase.verdict.confidence for phase in report.phases}, abs=0.01)
    assert min(confidence or 0.0 for confidence in again.values()) < 0.95


def test_parts_that_do_not_sum_leave_no_verdict_made_anew_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiler.attribute.phase._MOST_REST", -1.0)
    assert {verdict.state for _, verdict in rejudge(load_report(H100))} == {VerdictState.INCONCLUSIVE}


def test_a_zoo_judged_again_says_which_verdicts_were_others_when_it_ran() -> None:
    section = read_section(H100.with_name("zoo_h100_section.json"))
    assert "input.late was io.input, inconclusive then" in section_again(load_report(H100), section).notes[-1]
