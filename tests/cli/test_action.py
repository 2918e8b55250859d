"""The GitHub Action: its steps run as shell, and no input is ever part of a script."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from profiler.report.store import encode
from tests import composite_action
from tests.unit.compare.test_gate import as_slow

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "action.yml"
DATA = ROOT / "tests" / "data"
GRAPH = DATA / "own" / "llama8b-graph.json.gz"
TRACE = DATA / "recordings" / "tiny_kernels.json.gz"


def run(workspace: Path, **inputs: str) -> composite_action.Run:
    given = {"install": "false", "python": sys.executable, **inputs}
    return composite_action.run(ACTION, given, workspace=workspace, environment={"PYTHONPATH": str(ROOT)})


def test_no_expression_stands_in_a_script() -> None:
    action = composite_action.load(ACTION)
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["run"].startswith("set -euo pipefail\n")


def test_every_input_and_output_is_described_and_reaches_a_step() -> None:
    action = composite_action.load(ACTION)
    text = "".join(str(step["env"]) for step in action["runs"]["steps"])
    for name, declared in {**action["inputs"], **action["outputs"]}.items():
        assert declared["description"].endswith(".")
        assert name in action["outputs"] or f"inputs.{name} " in text


def test_a_trace_is_analysed_and_what_it_does_not_keep_fails_the_step(tmp_path: Path) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text("[overall]\nmax_idle_ratio = 0.01\n")
    found = run(tmp_path, trace=str(TRACE), budget="budget.toml", junit="junit.xml", output="kept.json")
    assert (found.code, found.outputs["exit"]) == (3, "3")
    assert found.outputs["report"] == "kept.json"
    assert (tmp_path / "kept.json").exists()
    assert found.outputs["class"] in {"memory", "compute", "io", "scheduling"}
    assert found.outputs["state"] in {"clear", "inconclusive"}
    assert "::error title=bottleneck check%3A overall.max_idle_ratio::" in found.log
    assert "| FAIL | overall" in found.summary
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().attrib["failures"] == "1"


def test_a_report_that_is_there_is_held_against_a_baseline(tmp_path: Path) -> None:
    found = run(tmp_path, report=str(GRAPH), baseline=str(GRAPH), summary="false")
    assert (found.code, found.outputs["exit"], found.summary) == (0, "0", "")
    assert found.outputs | {"report": ""} == {"report": "", "class": "memory", "state": "clear", "exit": "0"}
    slower = tmp_path / "slower.json"
    slower.write_bytes(encode(as_slow(1.2)))
    assert run(tmp_path, report=str(slower), baseline=str(GRAPH)).outputs["exit"] == "3"


def test_without_a_budget_the_report_is_shown_and_nothing_fails(tmp_path: Path) -> None:
    found = run(tmp_path, report=str(GRAPH))
    assert (found.code, found.outputs["exit"]) == (0, "0")
    assert "::notice title=llama8b-graph.json.gz::decode is held back by memory" in found.log
    assert found.summary.startswith("**decode is held back by memory")


def test_what_cannot_be_told_fails_where_that_is_asked_for(tmp_path: Path) -> None:
    assert run(tmp_path, report=str(GRAPH), baseline=str(GRAPH)).code == 0
    assert run(tmp_path, report=str(GRAPH), baseline=str(GRAPH), inconclusive="fail").code == 3


def test_without_a_baseline_yet_that_is_said(tmp_path: Path) -> None:
    for budget in ("interactive", "regression"):
        found = run(tmp_path, report=str(GRAPH), baseline="none.json", budget=budget)
        assert found.code == 0
        assert "::notice title=bottleneck::there is no baseline yet" in found.log


def test_arguments_are_split_as_a_shell_would_and_nothing_in_them_is_run(tmp_path: Path) -> None:
    trace = tmp_path / "a trace $(touch gotcha).json.gz"
    shutil.copy(TRACE, trace)
    found = run(tmp_path, trace=f"\n{trace.name}\n", arguments="--parts-only --jobs '1' --from \"0 parsecs\"")
    assert found.code == 2  # it came as one word, which is no time
    assert "0 parsecs" in found.log
    assert run(tmp_path, trace=f"\n{trace.name}\n", arguments="--parts-only --jobs '1'").code == 0
    assert not (tmp_path / "gotcha").exists()


@pytest.mark.parametrize("name", ["model", "trace", "report", "arguments", "budget", "inconclusive", "output"])
def test_no_input_is_a_command(tmp_path: Path, name: str) -> None:
    evil = "$(touch gotcha)`touch gotcha`'; touch gotcha; '\"; touch gotcha; \""
    target = {} if name in ("model", "trace", "report") else {"trace": str(TRACE)}
    run(tmp_path, **{**target, name: evil})
    assert not list(tmp_path.rglob("gotcha"))


def test_a_name_that_begins_like_an_option_is_a_name(tmp_path: Path) -> None:
    found = run(tmp_path, trace="--help")
    assert found.code == 1
    assert "--help" in found.log
    assert "Usage" not in found.log


@pytest.mark.parametrize(
    "inputs",
    [{}, {"model": "tiny", "trace": "x"}, {"trace": "x", "output": "a\nexit=0"}, {"trace": "x", "arguments": "'"}],
)
def test_inputs_that_cannot_be_meant_fail_at_once(tmp_path: Path, inputs: dict[str, str]) -> None:
    found = run(tmp_path, **inputs)
    assert (found.code, found.outputs["exit"]) == (2, "2")
    assert "::error title=bottleneck::" in found.log


def test_a_folder_called_profiler_in_the_workspace_is_not_taken_for_the_tool(tmp_path: Path) -> None:
    (tmp_path / "profiler").mkdir()
    (tmp_path / "profiler" / "__init__.py").write_text("raise SystemExit(99)\n")
    assert run(tmp_path, report=str(GRAPH), budget="interactive").code == 0
