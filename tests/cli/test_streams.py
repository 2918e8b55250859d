"""Standard streams that are closed, full, gone or blocked cost no answer without a word, and progress costs none."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.trace.trace_events import RECORDINGS

TRACE = RECORDINGS / "stream_imbalance.json.gz"
BOTTLENECK = f"{sys.executable} -m profiler"
SIMULATE = "simulate 5:5 --prefill-tokens-per-s 1000 --decode-tokens-per-s 50"
ANALYZE = f"analyze {TRACE}"
VERBS = [f"{ANALYZE} --parts-only", f"{ANALYZE} --jobs 1", SIMULATE, "models", "schema", "--help", "--version"]
FORMS = ["json", "markdown", "table"]
_PIPE_BYTES = 4096  # the least that a pipe can hold


def run(arguments: str, redirected: str = "") -> subprocess.CompletedProcess[str]:
    """The command as a shell runs it."""
    typed = ["bash", "-c", f"exec {BOTTLENECK} {arguments} {redirected}"]
    return subprocess.run(typed, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("verb", [f"{ANALYZE} --parts-only --format json", f"{SIMULATE} --format json"])
def test_without_stderr_the_answer_is_the_same(verb: str, redirected: str) -> None:
    done, usual = run(verb, redirected), run(verb)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads(usual.stdout)


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("arguments", "code"), [("analyze missing.json", 1), ("nonsense", 2), ("show", 2)])
def test_without_stderr_a_failure_keeps_its_exit_code(arguments: str, code: int, redirected: str) -> None:
    assert run(arguments, redirected).returncode == code


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_stdout_is_told_before_any_work(verb: str) -> None:
    done = run(verb, ">&-")
    assert done.returncode == 1
    assert done.stderr == "error: cannot write to stdout: it is closed\ntry: > FILE, or -o FILE > /dev/null\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("verb", [f"{ANALYZE} --parts-only", f"{ANALYZE} --jobs 1", SIMULATE])
def test_a_full_disk_behind_stdout_is_told_with_what_to_do(verb: str, form: str) -> None:
    done = run(f"{verb} --format {form}", ">/dev/full")
    assert done.returncode == 1
    told = ["error: cannot write to stdout: No space left on device", "try: -o FILE on another disk"]
    assert done.stderr.splitlines()[-2:] == told


@pytest.mark.parametrize(
    "arguments", ["models", "models --format json", "schema", "--help", "simulate -h", "--version"]
)
def test_where_there_is_no_option_for_a_file_none_is_named(arguments: str) -> None:
    done = run(arguments, ">/dev/full")
    assert done.returncode == 1
    told = "error: cannot write to stdout: No space left on device\ntry: write it to a file on another disk\n"
    assert done.stderr == told


@pytest.mark.parametrize("verb", [f"{ANALYZE} --parts-only", SIMULATE])
def test_what_is_kept_in_a_file_is_not_lost_with_stdout(tmp_path: Path, verb: str) -> None:
    kept = tmp_path / "answer.json"
    done = run(f"{verb} -o {kept}", ">/dev/full")
    assert done.returncode == 1
    why = "error: cannot write to stdout: No space left on device"
    assert done.stderr.splitlines()[-1] == f"{why}; the answer is kept in {kept}"
    assert json.loads(kept.read_text())


def test_a_file_that_cannot_be_written_in_the_end_does_not_cost_what_stdout_is_for(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    # The folder goes while requests are read, after it was looked at: from a pipe, which has them only then.
    pipe = tmp_path / "log.csv"
    os.mkfifo(pipe)
    typed = [
        sys.executable,
        "-m",
        "profiler",
        "simulate",
        str(pipe),
        "-o",
        str(folder / "kept.json"),
        "--format",
        "json",
    ]
    speeds = ["--prefill-tokens-per-s", "1000", "--decode-tokens-per-s", "50"]
    with subprocess.Popen([*typed, *speeds], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        with pipe.open("w") as log:  # is open when the process has opened it, too
            folder.rmdir()
            log.write("arrival_s,prompt_tokens,output_tokens\n0,5,5\n")
        stdout, stderr = process.communicate()
    assert process.returncode == 2
    assert json.loads(stdout)["requests"] == 1
    assert "error: cannot write" in stderr


def test_a_closed_stdin_holds_nothing() -> None:
    done = run("analyze -", "<&-")
    assert done.returncode == 1
    assert "error: stdin is empty\n" in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_a_reader_that_wants_no_more_ends_it_quietly(verb: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    typed = ["bash", "-c", f"exec {BOTTLENECK} {verb}"]
    done = subprocess.run(typed, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 1
    assert all(line.startswith("[") for line in done.stderr.splitlines())  # stages, and nothing else


@pytest.mark.parametrize(
    "verb", [ANALYZE, f"{ANALYZE} --jobs 1", f"{SIMULATE} --count 2"], ids=["plain", "typer", "log"]
)
@pytest.mark.parametrize("form", FORMS)
def test_an_interrupt_while_the_answer_is_written_says_that_it_is_not_whole(verb: str, form: str) -> None:
    code, stderr = interrupted_while_writing(f"{verb} --format {form}")
    assert code == 130
    assert stderr.splitlines()[-1] == "interrupted: the answer was not written whole"


def test_such_an_interrupt_says_where_the_answer_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "answer.json"
    code, stderr = interrupted_while_writing(f"{ANALYZE} --format json -o {kept}")
    assert code == 130
    assert stderr.splitlines()[-1] == f"interrupted: the answer was not written whole; it is kept in {kept}"
    assert json.loads(kept.read_text())


def interrupted_while_writing(arguments: str) -> tuple[int, str]:
    """The exit code and stderr of a command that is interrupted when nobody reads on."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    typed = ["bash", "-c", f"exec {BOTTLENECK} {arguments}"]
    with subprocess.Popen(typed, stdout=writing, stderr=subprocess.PIPE, text=True) as process:
        os.close(writing)
        os.read(reading, 1)  # the answer has begun, and the rest of it is more than the pipe holds
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()  # the pipe stays open: it must not wait for its reader at exit again
    os.close(reading)
    return process.returncode, stderr
