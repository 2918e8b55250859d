"""The plainest command lines are understood without Typer, and do what they do with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from profiler.cli.formats import Format
from profiler.cli.plain import plain_options
from tests.unit.trace.trace_events import RECORDINGS, call, kernel, trace_bytes

TRACE = RECORDINGS / "stream_imbalance.json.gz"


def run(*arguments: str, plainly: bool = True) -> subprocess.CompletedProcess[bytes]:
    ours = "from profiler.cli import main; main()"
    typers = "from profiler.cli.application import application; application(prog_name='bottleneck')"
    return subprocess.run(
        [sys.executable, "-c", ours if plainly else typers, *arguments], capture_output=True, check=False
    )


@pytest.mark.parametrize(
    ("typed", "options"),
    [
        (["a.json"], {"traces": ["a.json"]}),
        (["-", "b"], {"traces": ["-", "b"]}),
        (["a", "--parts-only", "b"], {"traces": ["a", "b"], "parts_only": True}),
        (["--format", "json", "a"], {"traces": ["a"], "form": Format.JSON}),
    ],
)
def test_names_of_traces_the_parts_and_the_format_are_plain(typed, options):
    assert plain_options(["analyze", *typed]) == options


@pytest.mark.parametrize(
    "typed",
    [
        [],
        ["analyze"],
        ["analyze", "--parts-only"],
        ["analyze", "a", "--help"],
        ["analyze", "a", "--format"],
        ["analyze", "a", "--format", "yaml"],
        ["analyze", "a", "--format=json"],
        ["analyze", "a", "--", "-b"],
        ["analyze", "a", ""],
        ["analyze", "a", "-o", "b"],
        ["--version"],
        ["show", "a"],
    ],
    ids=" ".join,
)
def test_everything_else_is_typers(typed):
    assert plain_options(typed) is None


@pytest.mark.parametrize(
    "arguments",
    [
        (str(TRACE), "--parts-only"),
        (str(TRACE), "--parts-only", "--format", "json"),
        (str(TRACE), "--format", "markdown"),
        ("missing.json",),
        (str(TRACE), "--format", "yaml"),
    ],
    ids=lambda arguments: " ".join(Path(argument).name for argument in arguments),
)
def test_a_plain_command_line_says_and_exits_as_typer_would(arguments):
    plain, typers = run("analyze", *arguments), run("analyze", *arguments, plainly=False)
    assert plain.stdout == typers.stdout
    assert plain.stderr.splitlines()[-2:] == typers.stderr.splitlines()[-2:]
    assert plain.returncode == typers.returncode


def test_a_plain_command_line_never_imports_typer_nor_what_only_a_verdict_needs(tmp_path):
    trace = tmp_path / "trace.json"
    trace.write_bytes(trace_bytes([call("cudaLaunchKernel", 0, 2, 1), kernel(5, 10, 1)]))
    code = "from profiler.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, "analyze", str(trace), "--parts-only", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert "numpy" in modules
    heavy = {"typer", "pydantic", "torch", "psutil", "rich", "tarfile", "multiprocessing", "numpy.ma"}
    assert not modules.intersection(heavy | {"profiler.attribute.traced", "profiler.attribute.replay"})


def test_a_pipe_that_nobody_reads_ends_it_without_a_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    code = "from profiler.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "analyze", str(TRACE), "--parts-only"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1  # the stage, and nothing else
