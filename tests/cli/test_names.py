"""Names come from anywhere: what they hold neither costs a result nor reaches a terminal as a command."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from tests.unit.trace.trace_events import RECORDINGS, annotation, call, frame, kernel, operation, trace_bytes

runner = CliRunner()
TRACE = RECORDINGS / "stream_imbalance.json.gz"
FORMS = ["json", "markdown", "table"]
NO_UTF8 = os.fsdecode(b"bad\xff")
CONTROLS = "\x1b]0;pwned\x07\x1b[2J\x9b2J\n# pwned\r"
SPEEDS = ["--prefill-tokens-per-s", "20000", "--decode-tokens-per-s", "50"]


def is_plain(text: str) -> bool:
    return all(sign == "\n" or sign.isprintable() for sign in text)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with three traces and no trace, of which only one has a name that is UTF-8 and one line."""
    folder = tmp_path / "mix"
    folder.mkdir()
    for name in ("good", NO_UTF8, "two\nlines"):
        shutil.copy(TRACE, folder / f"{name}.json.gz")
    (folder / f"{NO_UTF8} no trace.json").write_text("[]")
    (folder / "two\nlines no trace.json").write_text("[]")
    return folder


@pytest.mark.parametrize("options", [[], ["--parts-only"]], ids=["whole", "parts"])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_name_that_is_no_utf8_or_no_line_costs_nothing(mixed: Path, form: str, options: list[str]) -> None:
    kept = mixed.parent / "analysis.json"
    typed = ["analyze", str(mixed), "--format", form, "-o", str(kept), *options]
    result = runner.invoke(application, typed, env={"COLUMNS": "300"})
    assert result.exit_code == 0
    assert "bad\\" in result.stdout
    assert is_plain(result.stdout)
    answer = json.loads(kept.read_text())
    names = {rank["name"] for rank in answer["ranks"]}
    assert names == {f"{mixed}/{name}.json.gz" for name in ("good", "bad\\xff", "two\\nlines")}
    assert {each["name"] for each in answer["unreadable"]} == {
        f"{mixed}/{name} no trace.json" for name in ("bad\\xff", "two\\nlines")
    }
    reading, *notes = result.stderr.splitlines()
    assert reading.endswith("reading traces")
    assert len(notes) == 2
    assert all(str(mixed) in note and is_plain(note) for note in notes)


def test_nor_does_the_name_of_a_file_in_an_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "ranks.tar.gz", "w:gz") as archive:
        archive.add(TRACE, f"{NO_UTF8}.json.gz")
        archive.add(TRACE, "two\nlines.json.gz")
    result = runner.invoke(application, ["analyze", str(tmp_path / "ranks.tar.gz"), "--format", "json"])
    assert result.exit_code == 0
    names = [rank["name"].rpartition(":")[2] for rank in json.loads(result.stdout)["ranks"]]
    assert names == ["bad\\xff.json.gz", "two\\nlines.json.gz"]


@pytest.mark.parametrize("form", FORMS)
def test_nor_does_that_of_a_baseline(mixed: Path, form: str) -> None:
    typed = ["analyze", str(mixed / f"{NO_UTF8}.json.gz"), "--against", str(mixed / "two\nlines.json.gz")]
    result = runner.invoke(application, [*typed, "--format", form])
    assert result.exit_code == 0
    assert is_plain(result.stdout)


@pytest.mark.parametrize("form", FORMS)
def test_nor_does_that_of_a_log_of_requests(tmp_path: Path, form: str) -> None:
    log = tmp_path / f"{NO_UTF8}\n.csv"
    log.write_text("arrival_s,prompt_tokens,output_tokens\n0,100,10\n1,200,20\n")
    result = runner.invoke(application, ["simulate", str(log), *SPEEDS, "--format", form], env={"COLUMNS": "300"})
    assert result.exit_code == 0
    assert is_plain(result.stdout)
    if form == "json":
        assert json.loads(result.stdout)["log"] == f"{tmp_path}/bad\\xff\\n.csv"


def test_an_error_about_such_a_file_is_one_line(tmp_path: Path) -> None:
    result = runner.invoke(application, ["analyze", str(tmp_path / f"{NO_UTF8}\n\x1b[2J.json")])
    assert result.exit_code == 1
    assert is_plain(result.stderr)
    assert "bad\\xff\\n\\x1b[2J.json" in result.stderr
    assert len(result.stderr.splitlines()) == 3  # the stage, the error, and what to try


def hostile_trace(planted: str) -> bytes:
    """A trace in which everything that has a name has one that commands a terminal."""
    events = []
    for step in range(20):
        start = 1000 * step
        events += [
            annotation(f"step {planted}", start - 20, 980),
            frame(f"train.py(3): {planted}", start - 10, 950),
            operation(f"aten::{planted}", start, 900),
            call("cudaLaunchKernel", start + 800, 5, step + 1),
            kernel(start + 810, 50, step + 1, name=f"kernel {planted}"),
        ]
    return trace_bytes(events, deviceProperties=[{"id": 0, "name": f"NVIDIA {planted}"}])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("against", [False, True], ids=["alone", "against"])
def test_names_in_a_trace_command_no_terminal(tmp_path: Path, form: str, against: bool) -> None:
    trace, baseline = tmp_path / "trace.json", tmp_path / "baseline.json"
    trace.write_bytes(hostile_trace(CONTROLS))
    baseline.write_bytes(hostile_trace(f"{CONTROLS} before"))
    typed = ["analyze", str(trace), "--format", form, *(["--against", str(baseline)] if against else [])]
    result = runner.invoke(application, typed, env={"COLUMNS": "300"})
    assert result.exit_code == 0
    assert is_plain(result.stdout)
    assert is_plain(result.stderr)
    assert "pwned" in result.stdout
    assert not any(line.startswith(("# pwned", "`# pwned")) for line in map(str.strip, result.stdout.splitlines()))


def test_json_keeps_such_names_as_they_are(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    trace.write_bytes(hostile_trace("\x1b[2J\x9b2J"))
    result = runner.invoke(application, ["analyze", str(trace), "--format", "json"])
    (rank,) = json.loads(result.stdout)["ranks"]
    assert rank["device"] == "NVIDIA \x1b[2J\x9b2J"
