"""`bottleneck compare` and `bottleneck history`: what people type, and what they get."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.report.comparison import Comparison
from profiler.report.history import History
from tests.cli.test_startup import imported_by

runner = CliRunner()
DATA = Path(__file__).parents[1] / "data"
EAGER, GRAPH = (str(DATA / "own" / f"llama8b-{mode}.json.gz") for mode in ("eager", "graph"))
OTHER_MODEL = str(DATA / "own" / "smollm135m-eager.json.gz")
TURNS = DATA / "turns"
A, SLOWED = ([str(path) for path in sorted(TURNS.glob(f"{side}-*.json.gz"))] for side in ("a", "slowed"))


def test_two_results_are_compared() -> None:
    result = runner.invoke(application, ["compare", EAGER, GRAPH], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert result.stdout.startswith("Decode takes 73% less (-81% to -62%): 9.44 ms instead of 35.27 ms.")
    assert "What changed it: the host (-25.21 ms)." in result.stdout
    assert "mode: eager before, graph after" in result.stdout


def test_what_is_not_alike_is_refused_in_a_line_with_the_difference() -> None:
    result = runner.invoke(application, ["compare", EAGER, OTHER_MODEL])
    assert result.exit_code == 2
    assert result.stdout == ""
    said = result.stderr.splitlines()[0]
    assert said.startswith("error: they are not alike in model (llama-3.1-8b against smollm2-135m)")
    assert "prompt tokens (512 against 128); new tokens (64 against 16)" in said


def test_what_was_chosen_differs_between_the_sides_and_not_within_one() -> None:
    mixed = runner.invoke(application, ["compare", EAGER, GRAPH, "vs", EAGER, EAGER])
    assert mixed.exit_code == 2
    assert mixed.stderr.splitlines()[0] == "error: they are not alike in mode (eager or graph against eager)"
    assert mixed.stderr.splitlines()[1] == (
        "try: keep to one on each side of vs, or add --force to compare them all the same"
    )


@pytest.mark.parametrize("after", [SLOWED, [str(TURNS / "slowed-*.json.gz")]], ids=["files", "pattern"])
def test_many_stand_on_both_sides_of_vs(after: list[str]) -> None:
    result = runner.invoke(application, ["compare", *A, "vs", *after, "--format", "json"])
    answer = msgspec.json.decode(result.stdout, type=Comparison)
    assert len(answer.before.names) == len(answer.after.names) == 6
    assert {time.basis for time in answer.times} == {"turns"}


def test_a_folder_is_a_side(tmp_path: Path) -> None:
    for side, paths in (("main", A), ("branch", SLOWED)):
        (tmp_path / side).mkdir()
        for path in paths:
            shutil.copy(path, tmp_path / side)
    (tmp_path / "main" / "notes.json").write_text("{}")
    result = runner.invoke(application, ["compare", str(tmp_path / "main"), str(tmp_path / "branch")])
    assert result.exit_code == 0
    assert "notes.json could not be read" in " ".join(result.stdout.split())
    assert "and 3 more" in result.stdout


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ([EAGER], "a comparison takes two sides"),
        ([EAGER, GRAPH, EAGER], "nothing tells which of 3 names"),
        ([EAGER, "vs"], "nothing stands after vs"),
        (["vs", EAGER], "nothing stands before vs"),
        ([EAGER, "vs", GRAPH, "vs", EAGER], "vs stands more than once"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_with_an_example(typed: list[str], said: str) -> None:
    result = runner.invoke(application, ["compare", *typed])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "bottleneck compare main-*.json vs branch-*.json" in result.stderr


def test_a_side_of_which_nothing_can_be_read_fails(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    result = runner.invoke(application, ["compare", str(bad), GRAPH])
    assert result.exit_code == 1
    assert "no result could be read" in result.stderr


@pytest.mark.parametrize("verb", ["compare", "history"])
def test_the_json_is_what_a_file_holds_and_can_be_shown_again(verb: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    result = runner.invoke(application, [verb, GRAPH, GRAPH, "--format", "json", "-o", str(kept)])
    assert result.stdout_bytes == kept.read_bytes()
    assert json.loads(kept.read_bytes())["kind"] == verb
    shown = runner.invoke(application, ["show", str(kept)])
    assert shown.exit_code == 0
    assert shown.stdout == runner.invoke(application, [verb, GRAPH, GRAPH]).stdout
    assert runner.invoke(application, [verb, GRAPH, GRAPH, "-o", str(kept)]).exit_code == 2


@pytest.mark.parametrize("verb", ["compare", "history"])
def test_a_file_that_is_read_is_not_written_over(verb: str, tmp_path: Path) -> None:
    one, two = (shutil.copy(GRAPH, tmp_path / f"{name}.json.gz") for name in ("one", "two"))
    result = runner.invoke(application, [verb, str(one), str(two), "-o", str(two), "--force"])
    assert result.exit_code == 2
    assert Path(two).read_bytes() == Path(GRAPH).read_bytes()


@pytest.mark.parametrize("margin", ["-1", "nan", "1000"])
def test_a_margin_that_is_none_is_refused(margin: str) -> None:
    assert runner.invoke(application, ["compare", GRAPH, GRAPH, "--margin", margin]).exit_code == 2


def test_a_history_marks_nothing_in_few_results_and_says_why(tmp_path: Path) -> None:
    for path in (*A, GRAPH):
        shutil.copy(path, tmp_path)
    (tmp_path / "broken.json").write_text("[")
    result = runner.invoke(application, ["history", str(tmp_path), "--format", "json"])
    answer = msgspec.json.decode(result.stdout, type=History)
    assert [len(group.entries) for group in answer.groups] == [6, 1]
    assert [Path(each.name).name for each in answer.unread] == ["broken.json"]
    table = runner.invoke(application, ["history", str(tmp_path)], env={"COLUMNS": "160"})
    assert "it takes 8 results" in table.stdout
    assert "broken.json is left out" in " ".join(table.stdout.split())


@pytest.mark.parametrize("form", ["table", "markdown"])
@pytest.mark.parametrize("verb", ["compare", "history"])
def test_people_can_read_both_in_eighty_columns(verb: str, form: str) -> None:
    typed = [verb, *A, *(["vs"] if verb == "compare" else []), *SLOWED, "--format", form]
    result = runner.invoke(application, typed, env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert "decode" in result.stdout
    assert form == "markdown" or max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("verb", ["compare", "history"])
def test_neither_imports_torch(verb: str) -> None:
    assert not {"torch", "transformers", "scipy"} & imported_by(verb, GRAPH, GRAPH)
