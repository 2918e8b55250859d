"""`bottleneck analyze`: traces from anywhere."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.report.analysis import Analysis, analysis_schema
from profiler.report.analysis_comparison import AnalysisComparison, comparison_schema
from profiler.report.store import encode
from profiler.session import analyze as session
from profiler.trace.trace_file import MAX_BYTES
from tests.cli.test_startup import HEAVY, imported_by
from tests.unit.attribute.kept_reports import kept_report
from tests.unit.trace.trace_events import RECORDINGS

runner = CliRunner()
TRACE = str(RECORDINGS / "tiny_kernels.json.gz")


def test_it_judges_a_trace() -> None:
    result = runner.invoke(application, ["analyze", TRACE])
    assert result.exit_code == 0
    assert result.stdout.startswith("This trace is held back by scheduling: the host.")


def test_it_says_what_the_gpu_waited_for() -> None:
    result = runner.invoke(application, ["analyze", TRACE])
    assert "What the GPU waited for on the host" in result.stdout
    assert "The critical path through host and GPU" in result.stdout
    answer = json.loads(runner.invoke(application, ["analyze", TRACE, "--format", "json"]).stdout)
    (rank,) = answer["ranks"]
    assert sum(each["ns"] for each in rank["critical_path"]["kinds"]) == rank["span_ns"]
    assert rank["host_operations"][0]["name"] == "aten::add_"


def test_json_is_what_a_file_would_hold_and_follows_its_schema(tmp_path: Path) -> None:
    kept = tmp_path / "analysis.json"
    typed = ["analyze", TRACE, "--format", "json", "-o", str(kept)]
    result = runner.invoke(application, typed)
    assert result.stdout_bytes == kept.read_bytes()
    answer = msgspec.json.decode(kept.read_bytes(), type=Analysis)
    assert (answer.kind, answer.schema_version) == ("analyze", "1.0")
    (rank,) = answer.ranks
    assert rank.span_ns == rank.busy_ns + rank.idle_ns == sum(part.ns for part in rank.parts)
    assert runner.invoke(application, typed).exit_code == 2
    assert runner.invoke(application, [*typed, "--force"]).exit_code == 0


def test_a_trace_that_is_read_is_never_replaced(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json.gz"
    trace.write_bytes(Path(TRACE).read_bytes())
    result = runner.invoke(application, ["analyze", TRACE, str(trace), "-o", str(trace), "--force"])
    assert result.exit_code == 2
    assert trace.read_bytes() == Path(TRACE).read_bytes()


@pytest.mark.parametrize("named", ["{}", "{}/deeper", "{}/*/*.gz", "{}/**/r0.json.gz", "{}/deeper/link.json.gz"])
@pytest.mark.parametrize("side", ["trace", "baseline"])
def test_a_trace_that_is_read_is_never_replaced_however_it_was_named(tmp_path: Path, named: str, side: str) -> None:
    trace = tmp_path / "deeper" / "r0.json.gz"
    trace.parent.mkdir()
    trace.write_bytes(Path(TRACE).read_bytes())
    (trace.parent / "link.json.gz").symlink_to(trace)
    folder = named.format(tmp_path)
    typed = [folder] if side == "trace" else [TRACE, "--against", folder]
    result = runner.invoke(application, ["analyze", *typed, "-o", str(trace), "--force"])
    assert result.exit_code == 2
    assert "is a file that is read: it would be lost" in result.stderr
    assert trace.read_bytes() == Path(TRACE).read_bytes()


def test_a_file_beside_the_traces_that_is_none_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "r0.json.gz").write_bytes(Path(TRACE).read_bytes())
    kept = tmp_path / "answer"
    kept.write_text("an older one")
    result = runner.invoke(application, ["analyze", str(tmp_path), "-o", str(kept), "--force"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(kept.read_bytes())["kind"] == "analyze"


def test_what_is_piped_from_a_file_is_never_replaced_by_it(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json.gz"
    trace.write_bytes(Path(TRACE).read_bytes())
    with trace.open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-m", "profiler", "analyze", "-", "-o", str(trace), "--force"],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert trace.read_bytes() == Path(TRACE).read_bytes()


def test_a_pipe_is_read() -> None:
    result = runner.invoke(application, ["analyze", "-", "--format", "json"], input=Path(TRACE).read_bytes())
    assert result.exit_code == 0
    assert json.loads(result.stdout)["ranks"][0]["name"] == "stdin"


def test_a_device_that_the_trace_does_not_name_is_named_by_hand(tmp_path: Path) -> None:
    trace = json.loads(gzip.decompress((RECORDINGS / "gemm_large.json.gz").read_bytes()))
    del trace["deviceProperties"]
    nameless = tmp_path / "trace.json"
    nameless.write_text(json.dumps(trace))
    arguments = ["analyze", str(nameless), "--format", "json"]
    without, named = (
        json.loads(runner.invoke(application, [*arguments, *more]).stdout)["ranks"][0]
        for more in ([], ["--device", "h100-sxm"])
    )
    assert (without["device"], without["verdict"]["state"]) == (None, "refused")
    assert "--device" in without["advice"][0]["action"]
    assert named["device"] == "NVIDIA H100 SXM5 80GB"
    assert named["verdict"]["state"] == "clear"


@pytest.mark.parametrize(("name", "meant"), [("mi300", "mi300x"), ("h100", "h100-nvl or h100-pcie or h100-sxm")])
def test_a_device_without_datasheet_says_which_could_be_meant(name: str, meant: str) -> None:
    result = runner.invoke(application, ["analyze", TRACE, "--device", name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"there is no datasheet of a device called {name}" in result.stderr
    assert f"--device with {meant}" in " ".join(result.stderr.split())


def test_an_archive_is_read_through_a_pipe_by_several_processes(tmp_path: Path) -> None:
    path = tmp_path / "ranks.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for rank in range(3):
            tar.add(TRACE, f"rank{rank}.json.gz")
    arguments = ["analyze", "-", "--jobs", "2", "--format", "json"]
    result = runner.invoke(application, arguments, input=path.read_bytes())
    assert result.exit_code == 0, result.stderr
    ranks = json.loads(result.stdout)["ranks"]
    assert [rank["name"] for rank in ranks] == [f"stdin:rank{rank}.json.gz" for rank in range(3)]
    assert len({rank["busy_ns"] for rank in ranks}) == 1


def test_what_cannot_be_read_is_one_line_and_the_rest_is_analysed(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("no trace")
    gone = str(tmp_path / "gone.json")
    result = runner.invoke(application, ["analyze", gone, str(tmp_path / "notes.json"), TRACE, "--format", "json"])
    assert result.exit_code == 0
    lines = [line for line in result.stderr.splitlines() if str(tmp_path) in line]
    assert len(lines) == 2
    assert len(json.loads(result.stdout)["unreadable"]) == 2


def test_the_parts_alone_have_no_verdict_and_the_same_times() -> None:
    whole, parts = (
        json.loads(runner.invoke(application, ["analyze", TRACE, "--format", "json", *more]).stdout)["ranks"][0]
        for more in ([], ["--parts-only"])
    )
    for name in ("device", "span_ns", "busy_ns", "idle_ns", "kernel_ns", "families", "streams", "overlap"):
        assert parts[name] == whole[name]
    assert parts["verdict"]["state"] == "refused"
    assert "--parts-only" in parts["verdict"]["evidence"][0]
    assert sum(part["ns"] for part in parts["parts"]) == parts["span_ns"]


def test_where_nothing_can_be_read_it_fails_and_says_what_to_type(tmp_path: Path) -> None:
    result = runner.invoke(application, ["analyze", str(tmp_path / "gone.json")])
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if "gone.json" in line]
    assert told == [f"error: cannot read {tmp_path / 'gone.json'}: No such file or directory"]
    assert "try: bottleneck analyze" in result.stderr
    assert result.stdout == ""


def test_a_refused_trace_is_done() -> None:
    result = runner.invoke(
        application, ["analyze", str(RECORDINGS / "decode_b256_graph.json.gz"), "--format", "markdown"]
    )
    assert result.exit_code == 0
    assert result.stdout.startswith("**No verdict:**")


def test_more_than_was_allowed_is_not_unpacked() -> None:
    result = runner.invoke(application, ["analyze", TRACE, "--max-bytes", "1000"])
    assert result.exit_code == 1
    assert "holds more than 1000 bytes" in result.stderr
    assert "try: --max-bytes" in result.stderr


def test_the_ceilings_of_a_report_count(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_bytes(encode(kept_report()))
    result = runner.invoke(application, ["analyze", TRACE, "--ceilings", str(report), "--format", "json"])
    assert result.exit_code == 0
    assert "as measured on" in json.loads(result.stdout)["ranks"][0]["notes"][1]


def test_an_interrupt_shows_what_was_read_and_ends_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read = session.read_ranks

    def interrupted(name: str, *rest: Any, **options: Any) -> object:
        if name != TRACE:
            raise KeyboardInterrupt
        return read(name, *rest, **options)

    monkeypatch.setattr(session, "read_ranks", interrupted)
    second = tmp_path / "second.json"
    second.write_text("{}")
    result = runner.invoke(application, ["analyze", TRACE, str(second), "--format", "json"])
    assert result.exit_code == 130
    answer = json.loads(result.stdout)
    assert (answer["complete"], len(answer["ranks"])) == (False, 1)


def test_it_never_imports_torch_and_its_help_nothing_heavy() -> None:
    assert not imported_by("analyze", TRACE).intersection({"torch", "transformers"})
    assert not imported_by("analyze", "--help").intersection(HEAVY)


def test_the_bound_that_help_shows_is_that_of_the_reader() -> None:
    result = runner.invoke(application, ["analyze", "--help"])
    assert str(MAX_BYTES) in result.stdout


def test_its_schema_can_be_printed() -> None:
    assert json.loads(runner.invoke(application, ["schema", "analyze"]).stdout) == analysis_schema()


def test_a_trace_is_compared_with_its_baseline(tmp_path: Path) -> None:
    baseline = str(RECORDINGS / "slow_host.json.gz")
    kept = tmp_path / "comparison.json"
    result = runner.invoke(
        application, ["analyze", TRACE, "--against", baseline, "--format", "json", "-o", str(kept), "--jobs", "1"]
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout_bytes == kept.read_bytes()
    answer = msgspec.json.decode(kept.read_bytes(), type=AnalysisComparison)
    assert (answer.kind, answer.before.ranks, answer.after.ranks) == ("analyze-comparison", [baseline], [TRACE])
    assert sum(part.change_ns for part in answer.parts) == answer.change_ns


def test_the_baseline_is_never_replaced(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json.gz"
    baseline.write_bytes(Path(TRACE).read_bytes())
    typed = ["analyze", TRACE, "--against", str(baseline), "-o", str(baseline), "--force"]
    assert runner.invoke(application, typed).exit_code == 2
    assert baseline.read_bytes() == Path(TRACE).read_bytes()


def test_the_schema_of_a_comparison_can_be_printed() -> None:
    printed = runner.invoke(application, ["schema", "analyze-comparison"]).stdout
    assert json.loads(printed) == comparison_schema()
