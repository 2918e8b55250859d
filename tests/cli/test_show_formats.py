"""`show` for Perfetto, for a job of GitHub, and what is left when it is killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from tests.results import PATHS
from tests.unit.trace.trace_events import RECORDINGS
from tests.workflow_commands import commands

runner = CliRunner()
OWN = Path(__file__).parents[1] / "data/own"
TRACE = RECORDINGS / "stream_imbalance.json.gz"
KILLS = 8
# Shows one report as JSON and as Markdown, into the same file, for ever.
SHOWER = """
import sys
from profiler.cli.application import application
while True:
    for form in ("json", "markdown"):
        typed = ["show", sys.argv[1], "--format", form, "-o", sys.argv[2], "--force"]
        application(typed, standalone_mode=False)
        print(form, flush=True)
"""


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    path = tmp_path / "analysis.json"
    assert runner.invoke(application, ["analyze", str(TRACE), "-o", str(path)]).exit_code == 0
    return path


def test_an_analysis_becomes_a_trace_for_perfetto_that_can_be_analysed(tmp_path: Path, analysis: Path) -> None:
    out = tmp_path / "out.pftrace"
    typed = ["show", str(analysis), "--format", "perfetto", "--trace", str(TRACE), "-o", str(out)]
    assert runner.invoke(application, typed).exit_code == 0
    again = runner.invoke(application, ["analyze", str(out), "--format", "json"])
    (rank,), (before,) = json.loads(again.stdout)["ranks"], json.loads(analysis.read_text())["ranks"]
    assert rank["parts"] == before["parts"]
    assert rank["verdict"] == before["verdict"]


def test_a_profile_becomes_one_with_its_own_trace(tmp_path: Path) -> None:
    report, trace = OWN / "smollm135m-graph.json.gz", OWN / "smollm135m-graph-trace.json.gz"
    out = tmp_path / "out.pftrace"
    typed = ["show", str(report), "--format", "perfetto", "--trace", str(trace), "-o", str(out)]
    assert runner.invoke(application, typed).exit_code == 0
    assert out.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--format", "perfetto"], 2, "what is for Perfetto is a file"),
        (["--format", "perfetto", "--trace", str(TRACE)], 2, "what is for Perfetto is a file"),
        (["--format", "perfetto", "-o", "{out}"], 2, "an analysis keeps no events of its trace"),
        (["--trace", str(TRACE)], 2, "--trace is for Perfetto alone"),
        (["--format", "perfetto", "--trace", "nowhere.json", "-o", "{out}"], 1, "cannot read nowhere.json"),
        (
            ["--format", "perfetto", "--trace", str(RECORDINGS / "gemm_large.json.gz"), "-o", "{out}"],
            1,
            "no trace that",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    tmp_path: Path, analysis: Path, options: list[str], code: int, told: str
) -> None:
    out = tmp_path / "out.pftrace"
    result = runner.invoke(application, ["show", str(analysis), *(option.format(out=out) for option in options)])
    assert result.exit_code == code
    assert told in " ".join(result.stderr.split())
    assert not out.exists()


@pytest.mark.parametrize("kind", ["simulate", "endpoint", "whatif", "check"])
def test_what_is_of_no_trace_says_so(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out.pftrace"
    typed = ["show", str(PATHS[kind]), "--format", "perfetto", "--trace", str(TRACE), "-o", str(out)]
    result = runner.invoke(application, typed)
    assert result.exit_code == 2
    assert f"`bottleneck {kind}` kept is of no trace" in " ".join(result.stderr.split())


@pytest.mark.parametrize("kind", ["profile", "simulate", "endpoint"])
def test_a_result_is_for_perfetto_without_a_trace_too_and_is_none(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out.pftrace"
    result = runner.invoke(application, ["show", str(PATHS[kind]), "--format", "perfetto", "-o", str(out)])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    again = runner.invoke(application, ["analyze", str(out)])
    assert again.exit_code == 1
    assert f"{out} holds no trace" in again.stderr.replace("\n", "")


def test_the_trace_is_never_replaced_by_what_is_made_of_it(tmp_path: Path, analysis: Path) -> None:
    trace = tmp_path / "trace.json.gz"
    trace.write_bytes(TRACE.read_bytes())
    typed = ["show", str(analysis), "--format", "perfetto", "--trace", str(trace), "-o", str(trace), "--force"]
    assert runner.invoke(application, typed).exit_code == 2
    assert trace.read_bytes() == TRACE.read_bytes()


@pytest.mark.parametrize("kind", PATHS)
def test_a_job_of_github_gets_the_answer_as_annotations_and_all_of_it_as_its_summary(tmp_path: Path, kind: str) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("what another step wrote\n")
    typed = ["show", str(PATHS[kind]), "--format", "github"]
    result = runner.invoke(application, typed, env={"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"})
    assert result.exit_code == 0
    assert len(commands(result.stdout)) == len(result.stdout.splitlines())
    markdown = runner.invoke(application, ["show", str(PATHS[kind]), "--format", "markdown"]).stdout
    assert summary.read_text() == f"what another step wrote\n{markdown}"


def test_the_summary_can_be_kept_in_a_file(tmp_path: Path) -> None:
    out = tmp_path / "summary.md"
    result = runner.invoke(application, ["show", str(PATHS["profile"]), "--format", "github", "-o", str(out)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert out.read_text().startswith("**")


def test_a_show_that_is_killed_at_any_instant_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    report, out, chance = PATHS["whatif"], tmp_path / "out", random.Random(0)
    forms = ("json", "markdown")
    whole = {runner.invoke(application, ["show", str(report), "--format", form]).stdout_bytes for form in forms}
    out.write_bytes(min(whole))
    for _ in range(KILLS):
        typed = [sys.executable, "-c", SHOWER, str(report), str(out)]
        with subprocess.Popen(typed, stdout=subprocess.PIPE) as shower:
            assert shower.stdout is not None
            for _ in range(chance.randint(1, 4)):
                shower.stdout.readline()
            for _ in range(chance.randrange(200_000)):  # no sleep: some work, so that the instant differs
                pass
            shower.send_signal(signal.SIGKILL)
        assert out.read_bytes() in whole
        assert len(list(tmp_path.iterdir())) <= 2  # the file, and what the last one left
