"""`bottleneck check`: the gate for CI."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.report.check import Check, check_schema
from profiler.report.endpoint import Endpoint, encode_endpoint
from profiler.report.kinds import load_result
from profiler.report.store import encode
from tests.cli.test_startup import imported_by
from tests.failing_endpoint import failing, refusing
from tests.unit.compare.test_gate import as_slow

DATA = Path(__file__).resolve().parents[1] / "data"
GRAPH, EAGER = (str(DATA / "own" / f"llama8b-{mode}.json.gz") for mode in ("graph", "eager"))
runner = CliRunner()


@pytest.fixture
def budget(tmp_path: Path) -> str:
    path = tmp_path / "budget.toml"
    path.write_text('[decode]\nmax_ms = 9.5\nmin_mfu = 0.5\n[prefill]\nmax_ms = 30\nmust_be = "scheduling"\n')
    return str(path)


def typed(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    result = runner.invoke(application, ["check", *arguments], env={"COLUMNS": "120", **(environment or {})})
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


def test_a_rule_that_fails_ends_with_exit_code_3_and_is_named(budget: str) -> None:
    code, told, wrong = typed(GRAPH, "--budget", budget)
    assert code == 3
    assert "not: decode.min_mfu" in " ".join(told.split())
    assert wrong == f"try: bottleneck show {GRAPH}"  # what failed is said once
    lines = {line.split()[1]: line for line in told.splitlines() if len(line.split()) > 1}
    assert " ".join(lines["decode.max_ms"].split()) == "pass decode.max_ms decode 9.44 ms (9.41–9.47) 9.50"
    assert lines["decode.min_mfu"].startswith("FAIL")
    assert lines["prefill.max_ms"].startswith("inconclusive")
    assert "its interval straddles the limit" in told.lower()


def test_where_stdout_is_for_programs_stderr_says_what_failed(budget: str) -> None:
    code, _, wrong = typed(GRAPH, "--budget", budget, "--format", "json")
    assert code == 3
    assert "not: decode.min_mfu" in wrong


def test_a_rule_about_a_baseline_does_not_hold_because_none_was_named(tmp_path: Path) -> None:
    path = tmp_path / "both.toml"
    path.write_text("[decode]\nmax_ms = 100\n[regression]\nmax_tpot_ratio = 1.05\n")
    for budget in ("regression", str(path)):
        code, told, wrong = typed(GRAPH, "--budget", budget)
        assert (code, told) == (2, "")
        assert "try: --baseline REPORT" in wrong
        assert typed(GRAPH, "--budget", budget, "--baseline", GRAPH)[0] == 0


def test_that_there_is_no_baseline_yet_can_be_said() -> None:
    code, told, _ = typed(GRAPH, "--budget", "regression", "--baseline", "none")
    assert code == 0
    assert "There is no baseline" in told
    code, told, _ = typed(GRAPH, "--baseline", "none")
    assert code == 0
    assert "inconclusive  regression.max_tpot_ratio" in told


def test_a_profile_held_against_a_budget_for_servers_is_told_what_to_check_instead() -> None:
    code, told, _ = typed(GRAPH, "--budget", "serving")
    assert code == 3
    assert "takes a report of `bottleneck simulate` or `bottleneck endpoint`" in " ".join(told.split())


@pytest.mark.parametrize("endpoint", [failing(95, 100), refusing()], ids=["most", "all"])
@pytest.mark.parametrize("budget", ["interactive", "serving"])
def test_a_server_that_refused_its_requests_is_no_green_build(endpoint: Endpoint, budget: str, tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    path.write_bytes(encode_endpoint(endpoint))
    code, told, _ = typed(str(path), "--budget", budget, "--inconclusive", "pass")
    assert code == 3
    assert "not: overall.max_error_ratio" in " ".join(told.split())


def test_names_of_rules_are_whole_at_eighty_characters() -> None:
    arguments = (GRAPH, "--budget", "everything", "--baseline", GRAPH, "--format")
    answer = json.loads(typed(*arguments, "json")[1])
    told = typed(*arguments, "table", environment={"COLUMNS": "80"})[1].partition("Why")[0]
    assert {rule["rule"] for rule in answer["rules"]} <= {word for line in told.splitlines() for word in line.split()}
    assert max(map(len, told.splitlines())) <= 80


def test_a_budget_that_is_kept_ends_well_and_can_be_named() -> None:
    assert typed(GRAPH, "--budget", "interactive")[0] == 0


def test_what_cannot_be_told_fails_where_that_is_asked_for() -> None:
    typing = (GRAPH, "--baseline", GRAPH)  # the prefill's noise allows no word about 5%
    assert typed(*typing)[0] == 0
    assert typed(*typing, "--inconclusive", "fail")[0] == 3


def test_a_baseline_alone_allows_five_percent(tmp_path: Path) -> None:
    slower = tmp_path / "slower.json"
    slower.write_bytes(encode(as_slow(1.2)))
    typing = (str(slower), "--baseline", GRAPH)
    code, told, _ = typed(*typing)
    assert code == 3
    assert "regression.max_tpot_ratio" in told
    assert "must be at most 1.05" in typed(*typing, "--format", "github")[1]


def test_a_budget_without_a_word_about_the_baseline_is_joined_by_the_usual_ones(budget: str) -> None:
    _, told, _ = typed(GRAPH, "--budget", budget, "--baseline", GRAPH)
    assert "regression.max_tpot_ratio" in told
    assert "decode.min_mfu" in told


def test_json_is_what_a_file_would_hold_and_can_be_shown_again(budget: str, tmp_path: Path) -> None:
    kept = tmp_path / "check.json"
    code, told, _ = typed(GRAPH, "--budget", budget, "--format", "json", "-o", str(kept))
    assert code == 3
    assert told == kept.read_text(encoding="utf-8")
    answer = msgspec.json.decode(kept.read_bytes(), type=Check)
    assert (answer.kind, answer.holds, answer.failed) == ("check", False, 1)
    assert answer.verdict is not None
    assert answer.verdict.state == "clear"
    shown = runner.invoke(application, ["show", str(kept)])
    assert shown.stdout == typed(GRAPH, "--budget", budget, environment={"COLUMNS": "80"})[1]


def test_its_schema_can_be_printed() -> None:
    assert json.loads(runner.invoke(application, ["schema", "check"]).stdout) == check_schema()


def test_a_report_that_was_broken_off_fails_whatever_the_budget(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(encode(msgspec.structs.replace(load_result(GRAPH), complete=False)))
    code, told, _ = typed(str(path), "--budget", "interactive")
    assert code == 3
    assert "The run ended before all was measured." in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((GRAPH,), "there is nothing to hold the report against"),
        ((GRAPH, "--budget", "interactiv"), "try: interactive"),
        ((GRAPH, "--baseline", EAGER), "not alike in mode (eager against graph)"),
        ((GRAPH, "--budget", "interactive", "--inconclusive", "perhaps"), "perhaps"),
        ((str(DATA / "results" / "whatif.json.gz"), "--budget", "interactive"), "to which no budget applies"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    code, told, wrong = typed(*arguments)
    assert (code, told) == (2, "")
    assert said in wrong


def test_a_word_that_a_budget_does_not_have_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[decode]\nmax_sm = 1\n")
    code, _, wrong = typed(GRAPH, "--budget", str(path))
    assert code == 2
    assert "own.toml: [decode] has no key max_sm" in wrong
    assert "did you mean max_ms or " in wrong


def test_it_never_replaces_what_it_reads(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_bytes(encode(load_result(GRAPH)))  # type: ignore[arg-type]
    before = report.read_bytes()
    for option in ("-o", "--junit"):
        for typing in (
            (str(report), "--baseline", GRAPH),
            (GRAPH, "--baseline", str(report)),
            (GRAPH, "--budget", str(report)),
        ):
            assert typed(*typing, option, str(report), "--force")[0] == 2
    assert report.read_bytes() == before


def test_two_files_are_not_written_as_one(tmp_path: Path) -> None:
    path = str(tmp_path / "out")
    code, _, wrong = typed(GRAPH, "--budget", "interactive", "-o", path, "--junit", path)
    assert code == 2
    assert "-o and --junit both name" in wrong


def test_junit_has_the_shape_that_ci_systems_read(budget: str, tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    typed(GRAPH, "--budget", budget, "--junit", str(path))
    suites = ElementTree.parse(path).getroot()
    (suite,) = suites
    assert (suites.tag, suite.tag) == ("testsuites", "testsuite")
    cases = suite.findall("testcase")
    assert len(cases) == 5
    for level in (suites, suite):
        assert {name: int(level.attrib[name]) for name in ("tests", "failures", "errors", "skipped")} == {
            "tests": 5,
            "failures": len(suite.findall("testcase/failure")),
            "errors": 0,
            "skipped": len(suite.findall("testcase/skipped")),
        }
        assert float(level.attrib["time"]) >= 0
        assert level.attrib["name"]
    for case in cases:
        assert case.attrib["classname"]
        assert case.attrib["name"]
        assert len(case) == 1
        assert case[0].tag in {"failure", "skipped", "system-out"}
    (failure,) = suite.findall("testcase/failure")
    assert failure.attrib["type"] == "fail"
    assert "at least 0.500" in failure.attrib["message"]
    (skipped,) = suite.findall("testcase/skipped")
    assert "straddles" in skipped.attrib["message"]


def test_junit_counts_what_cannot_be_told_as_a_failure_where_that_is_asked_for(budget: str, tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    typed(GRAPH, "--budget", budget, "--junit", str(path), "--inconclusive", "fail")
    types = [failure.attrib["type"] for failure in ElementTree.parse(path).getroot().iter("failure")]
    assert sorted(types) == ["fail", "inconclusive"]


def test_for_github_rules_that_do_not_pass_are_annotations_and_the_table_the_summary(
    budget: str, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    arguments = (GRAPH, "--budget", budget, "--format", "github")
    code, told, _ = typed(*arguments, environment={"GITHUB_STEP_SUMMARY": str(summary)})
    assert code == 3
    first, *rules = told.splitlines()
    assert first.startswith("::error title=bottleneck check::")
    assert [line.partition("::")[2].partition(" ")[0] for line in rules] == ["error", "warning"]
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# before\n")
    assert "| result | rule |" in text


def test_outside_a_job_the_summary_is_left_out_and_that_is_said() -> None:
    arguments = (GRAPH, "--budget", "interactive", "--format", "github")
    _, told, wrong = typed(*arguments, environment={"GITHUB_STEP_SUMMARY": ""})
    assert all(line.startswith("::") for line in told.splitlines())
    assert "the summary is left out" in wrong


def test_text_from_elsewhere_commands_neither_the_runner_nor_the_terminal_nor_the_xml(tmp_path: Path) -> None:
    analysis = json.loads(msgspec.json.encode(load_result(DATA / "results" / "analyze.json.gz")))
    for rank in analysis["ranks"]:
        rank["name"] = "x\n::error::gotcha\x1b[31m<b>&\x00]]>"
    report = tmp_path / "evil\n::error::.json"
    report.write_text(json.dumps(analysis))
    budget, junit = tmp_path / "b.toml", tmp_path / "junit.xml"
    budget.write_text("[overall]\nmax_idle_ratio = 0\n")
    for form in ("github", "table", "markdown"):
        _, told, wrong = typed(str(report), "--budget", str(budget), "--format", form, "--junit", str(junit), "--force")
        assert not [line for line in told.splitlines()[1:] if line.startswith("::error::")]
        assert "\x1b" not in told + wrong
    ElementTree.parse(junit)


def test_it_imports_neither_torch_nor_numpy() -> None:
    modules = imported_by("check", GRAPH, "--budget", "interactive")
    assert not modules.intersection({"torch", "transformers", "numpy"})
