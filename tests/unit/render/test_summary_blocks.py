"""The short table: what a terminal of 80 columns shows at once, in every state that a report can be in."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.render import table
from profiler.render.summary_blocks import summary_blocks
from profiler.report.records import Report
from profiler.report.store import load_report
from profiler.report.vocabulary import VerdictState
from tests.unit.render import sample

DATA = Path(__file__).resolve().parents[2] / "data"
RECORDED = sorted(path for path in (DATA / "own").glob("*.json.gz") if "trace" not in path.name)
REST = "See all: bottleneck show report.json --details"


def shown(report: Report, width: int = 80) -> str:
    text = io.StringIO()
    table.render_blocks(summary_blocks(report, REST), Console(file=text, width=width, color_system=None))
    return text.getvalue()


def joined(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_a_recorded_report_fits_a_screen_of_40_lines(path: Path) -> None:
    lines = shown(load_report(path)).splitlines()
    assert len(lines) < 40
    assert max(len(line) for line in lines) <= 80
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_the_verdict_comes_first_and_then_split_evidence_and_advice_with_its_gain(path: Path) -> None:
    report = load_report(path)
    text = shown(report)
    assert joined(text).startswith(("decode is held back by ", "INCONCLUSIVE decode: "))
    advised = ["What to do"] if report.advice else []
    places = [text.index(words) for words in ("Where the time goes", "Verdicts", "Why decode", *advised)]
    assert places == sorted(places)
    assert ("Predicted: decode" in joined(text)) == bool(advised)


def test_of_recorded_phases_only_a_turn_of_transformers_own_engine_is_held_back_by_what_no_advice_helps() -> None:
    assert [path.name for path in RECORDED if not load_report(path).advice] == ["llama8b-paged.json.gz"]


def test_the_split_is_in_numbers_beside_the_bars_and_each_class_has_its_pattern() -> None:
    text = shown(load_report(DATA / "own" / "llama8b-graph.json.gz"))
    split = text[text.index("Where the time goes") : text.index("Verdicts")].splitlines()
    assert split[1].split() == ["phase", "█", "memory", "▓", "compute", "▞", "io", "░", "scheduling"]
    decode = next(line for line in split if line.startswith("decode")).split()
    assert set(decode[1]) == set("█▓░")
    assert decode[2:] == ["57%", "7.4%", "0.02%", "35%"]


def test_what_is_left_out_is_counted_and_where_it_is_said_last() -> None:
    text = joined(shown(load_report(DATA / "own" / "llama8b-eager.json.gz")))
    assert text.endswith(f"Left out: 1 piece of advice, 3 warnings and all that was measured. {REST}")


def test_a_wide_terminal_has_room_for_parts_shares_and_kernels() -> None:
    report = load_report(DATA / "own" / "llama8b-graph.json.gz")
    for words in ("Part by part", "What would help", "Slowest kernels"):
        assert words not in shown(report)
        assert words in shown(report, 160)


def test_a_report_without_phases_says_that_there_is_no_verdict() -> None:
    text = shown(replace(sample.report(), phases=[], advice=[]))
    assert text.startswith("NO VERDICT  No phase was measured")
    assert "Where the time goes" not in text


def test_a_phase_that_was_refused_a_split_says_so_in_its_place() -> None:
    load = next(phase for phase in sample.report().phases if phase.name == "load")
    assert "not known" in shown(replace(sample.report(), phases=[replace(load, parts=[])]))


def test_of_many_phases_those_that_take_longest_are_shown() -> None:
    report = sample.report()
    decode = sample.decode()
    phases = [replace(decode, name=f"workload {number}") for number in range(30)]
    text = shown(replace(report, workload=None, phases=phases))
    assert len(text.splitlines()) < 40
    assert "26 phases" in text


def test_evidence_that_the_verdict_has_given_is_not_given_again() -> None:
    decode = sample.decode()
    verdict = replace(
        decode.verdict, state=VerdictState.INCONCLUSIVE, evidence=["others kept the CPU busy", "it is small"]
    )
    text = joined(shown(replace(sample.report(), phases=[replace(decode, verdict=verdict)], verdict=verdict)))
    assert text.count("Others kept the CPU busy") == 1
    assert "- It is small." in text
