"""The zoo as GPUs ran it, judged again from what its reports keep: fails where a class changes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmarks.truth.results import read_report, read_section
from benchmarks.truth.zoo.kept import outcomes_again
from benchmarks.truth.zoo.outcome import Outcome
from benchmarks.truth.zoo.presentation import FEWEST_ENTRIES

# zoo_<card>.json.gz is the report of a run, zoo_<card>_section.json the section beside it with the measured gains.
RECORDED = Path(__file__).parents[2] / "data" / "truth"


@cache
def outcomes(recording: Path) -> dict[str, Outcome]:
    section = read_section(recording.with_name(recording.name.replace(".json.gz", "_section.json")))
    return {outcome.entry.name: outcome for outcome in outcomes_again(read_report(recording), section)}


def _recorded() -> Iterator[object]:
    for recording in sorted(RECORDED.glob("zoo_*.json.gz")):
        for phase in read_report(recording).phases:
            yield pytest.param(recording, phase.name, id=f"{recording.name.partition('.')[0]}-{phase.name}")


EVERY_ENTRY = pytest.mark.parametrize(("recording", "name"), list(_recorded()))


def test_enough_entries_are_recorded() -> None:
    recordings = sorted(RECORDED.glob("zoo_*.json.gz"))
    assert recordings
    assert all(len(read_report(recording).phases) >= FEWEST_ENTRIES for recording in recordings)


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
