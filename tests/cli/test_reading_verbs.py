"""The verbs that read: show, models, schema, and the version."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler.catalogue.presets import preset_names
from profiler.cli.application import application
from profiler.report.store import encode, json_schema
from tests.unit.render import sample

runner = CliRunner()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_bytes(encode(sample.report()))
    return path


def test_show_renders_a_stored_report(report: Path) -> None:
    result = runner.invoke(application, ["show", str(report)])
    assert result.exit_code == 0
    assert result.stdout.startswith("decode is held back by")


def test_show_as_json_gives_the_file_back(report: Path) -> None:
    result = runner.invoke(application, ["show", str(report), "--format", "json"])
    assert result.stdout_bytes == report.read_bytes()


@pytest.mark.parametrize(
    ("form", "start"), [("markdown", "**decode is"), ("table", "decode is"), ("json", "{"), ("html", "<!DOCTYPE html>")]
)
def test_show_writes_what_it_renders_to_a_file(report: Path, tmp_path: Path, form: str, start: str) -> None:
    output = tmp_path / "out"
    result = runner.invoke(application, ["show", str(report), "--format", form, "-o", str(output)])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert output.read_text(encoding="utf-8").startswith(start)
    assert runner.invoke(application, ["show", str(report), "-o", str(output)]).exit_code == 2
    assert runner.invoke(application, ["show", str(report), "-o", str(output), "--force"]).exit_code == 0


def test_show_is_short_and_says_how_to_see_all_which_details_shows(report: Path) -> None:
    short = runner.invoke(application, ["show", str(report)], env={"COLUMNS": "80"}).stdout
    assert len(short.splitlines()) < 40
    assert "".join(short.split()).endswith("".join(f"See all: bottleneck show {report} --details".split()))
    whole = runner.invoke(application, ["show", str(report), "--details"], env={"COLUMNS": "80"}).stdout
    assert len(whole.splitlines()) > 150
    assert "Slowest kernels" in whole


def test_a_page_is_not_written_over_a_terminal(report: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "profiler", "show", str(report), "--format", "html"]
        ended = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert ended.returncode == 2
    assert "-o report.html" in ended.stderr
    assert runner.invoke(application, ["show", str(report), "--format", "html"]).stdout.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(("asked", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), (None, False)])
def test_colour_is_for_terminals_that_want_it(report: Path, asked: dict[str, str] | None, coloured: bool) -> None:
    command = [sys.executable, "-m", "profiler", "show", str(report)]
    known = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM")}
    environment = known | {"TERM": "xterm-256color"} | (asked or {})
    if asked is None:
        text = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    else:
        text = _on_a_terminal(command, environment)
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]m", text)) is coloured
    assert "█".encode() in text


def _on_a_terminal(command: list[str], environment: dict[str, str]) -> bytes:
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, env=environment):
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
            while some := terminal.read(65536):
                text += some
    return text


@pytest.mark.parametrize("verb", ["show", "whatif"])
@pytest.mark.parametrize("way", ["the name", "a relative path", "a link", "read through a link"])
def test_a_verb_that_reads_never_replaces_what_it_reads(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "link.json"
    link.symlink_to(report)
    before = report.read_bytes()
    ways = {
        "the name": (report, report),
        "a relative path": (report, f"../{tmp_path.name}/./report.json"),
        "a link": (report, link),
        "read through a link": (link, report),
    }
    source, output = ways[way]
    result = runner.invoke(application, [verb, str(source), "-o", str(output), "--force"])
    assert result.exit_code == 2
    assert "is a file that is read" in result.stderr
    assert "--force" not in result.stderr
    assert report.read_bytes() == before


def test_showing_what_is_no_report_fails_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("{}")
    result = runner.invoke(application, ["show", str(path)])
    assert result.exit_code == 1
    assert "is not a bottleneck report" in result.stderr


def test_a_terminal_without_unicode_is_shown_a_plain_table(report: Path) -> None:
    result = CliRunner(charset="ascii").invoke(application, ["show", str(report)])
    assert result.exit_code == 0
    assert "0.98 (0.94-1.00)" in result.stdout_bytes.decode("ascii")


def test_models_lists_every_preset_with_its_sizes() -> None:
    result = runner.invoke(application, ["models", "--format", "json"])
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert sorted(rows) == preset_names()
    llama = rows["llama-3.1-8b"]
    assert llama["parameters"] == 8_030_261_248
    assert llama["weight_bytes_bf16"] == 16_060_522_496
    assert llama["kv_bytes_per_token_bf16"] == 131_072
    assert llama["max_context_tokens"] == 131_072
    assert rows["mixtral-8x7b"]["active_parameters"] < rows["mixtral-8x7b"]["parameters"]


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_models_can_be_read_by_people(form: str) -> None:
    result = runner.invoke(application, ["models", "--format", form])
    assert result.exit_code == 0
    assert "llama-3.1-8b" in result.stdout
    assert "131 kB" in result.stdout


def test_schema_prints_the_schema_of_a_report() -> None:
    result = runner.invoke(application, ["schema"])
    assert json.loads(result.stdout) == json_schema()


def test_every_verb_is_there_and_no_other() -> None:
    result = runner.invoke(application, ["--help"])
    verbs = re.findall(r"^│ ([a-z]+) ", result.stdout, re.MULTILINE)
    assert " ".join(verbs) == (
        "profile endpoint analyze simulate show whatif compare history check models schema doctor calibrate"
    )
