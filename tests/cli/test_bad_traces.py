"""What is no trace, or a broken one, costs one line each; the other files are analysed."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from profiler.cli.application import application
from tests.unit.trace.trace_events import RECORDINGS, call, kernel, trace_bytes

runner = CliRunner()
TRACE = str(RECORDINGS / "copy_stream.json.gz")
LITTLE = [call("cudaLaunchKernel", 0, 2, 1), kernel(5, 10, 1)]


def analyzed(*arguments: object) -> Result:
    return runner.invoke(application, ["analyze", *map(str, arguments), "--format", "json"])


def event(**changes: Any) -> bytes:
    return trace_bytes([LITTLE[0], {**LITTLE[1], **changes}])


def claiming(gigabytes: int) -> bytes:
    """A gzip of some MB that holds so much: it may consist of several, one after the other."""
    return gzip.compress(b'{"traceEvents": [') + gzip.compress(b" " * (64 << 20), 1) * (gigabytes * 16)


UNREADABLE = {
    "text": (b"step 1 took 3 ms", "is not a PyTorch profiler trace"),
    "binary": (bytes(range(256)), "is not a PyTorch profiler trace"),
    "other JSON": (b'{"loss": [1, 2]}', "is not a PyTorch profiler trace: it has no list of `traceEvents`"),
    "a list of numbers": (b"[1, 2]", "is not a PyTorch profiler trace"),
    "a list of other objects": (b'[{"id": 1}, {"id": 2}]', "none of its items is an event of a profiler"),
    "events that are none": (b'{"traceEvents": {"a": 1}}', "is not a PyTorch profiler trace"),
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "an empty gzip": (gzip.compress(b""), "is empty"),
    "the start of a gzip": (gzip.compress(trace_bytes(LITTLE))[:8], "damaged gzip"),
    "a wrong gzip": (gzip.compress(trace_bytes(LITTLE))[:-8] + b"checksum", "damaged gzip"),
    "the start of a trace": (trace_bytes(LITTLE)[:60], "it ends before"),
    "words for a time": (event(ts="soon"), ""),
    "a stream of more than 64 bits": (event(args={"stream": 2**70}), "a number in it is too large"),
    "a list for a name": (event(name=[1]), ""),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_it_is_told_in_one_line_and_the_rest_is_analysed(tmp_path: Path, kind: str) -> None:
    data, reason = UNREADABLE[kind]
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    result = analyzed(path, TRACE)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["ranks"][-1]["name"] == TRACE
    told = [line for line in result.stderr.splitlines() if str(path) in line]
    if reason or answer["unreadable"]:
        assert len(told) == 1
        assert reason in told[0]
        assert [each["name"] for each in answer["unreadable"]] == [str(path)]
    else:
        assert len(answer["ranks"]) == 2


@pytest.mark.parametrize("kind", UNREADABLE)
def test_alone_it_fails_with_one_line_and_what_to_type(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(UNREADABLE[kind][0])
    result = analyzed(path)
    if UNREADABLE[kind][1]:
        assert result.exit_code == 1
        assert result.stdout == ""
        told = [line for line in result.stderr.splitlines() if str(path) in line]
        assert len(told) == 1
        assert told[0].startswith("error: ")
        assert "\ntry: " in result.stderr
    assert "Traceback" not in result.stderr


ACCEPTED: dict[str, tuple[bytes, str | None]] = {
    "a kernel without a time": (trace_bytes([*LITTLE, {"ph": "X", "cat": "kernel"}]), "events_without_time"),
    "a kernel without a duration": (
        trace_bytes([*LITTLE, {"ph": "X", "cat": "kernel", "ts": 30}]),
        "events_without_time",
    ),
    "a kernel without arguments": (event(args={}), "kernels_without_launch"),
    "an event without a category": (trace_bytes([*LITTLE, {"ph": "X", "ts": 1}]), None),
    "numbers in quotes": (event(ts="5", dur="10.5", args={"device": "0", "stream": "7", "correlation": "1"}), None),
    "a negative duration": (trace_bytes([*LITTLE, kernel(20, -5)]), "negative_durations"),
    "events in another order": (trace_bytes(LITTLE[::-1]), None),
    "the same kernel twice": (trace_bytes([*LITTLE, LITTLE[1]]), "duplicate_events"),
    "two launches of one number": (trace_bytes([LITTLE[0], *LITTLE]), "shared_correlations"),
    "a cut": (trace_bytes(LITTLE)[:-4], "cut_off"),
    "kernels hours apart": (trace_bytes([*LITTLE, kernel(9e9, 5)]), "clock_jump"),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_what_can_be_read_is_analysed_and_its_flaw_named(tmp_path: Path, kind: str) -> None:
    data, code = ACCEPTED[kind]
    (tmp_path / "odd.json").write_bytes(data)
    result = analyzed(tmp_path / "odd.json")
    assert result.exit_code == 0
    (rank,) = json.loads(result.stdout)["ranks"]
    assert sum(part["ns"] for part in rank["parts"]) == rank["span_ns"] == rank["busy_ns"] + rank["idle_ns"]
    if code is not None:
        finding = next(each for each in rank["integrity"] if each["code"] == code)
        assert finding["effect"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_what_is_no_number_costs_at_most_its_file(tmp_path: Path, number: str) -> None:
    text = trace_bytes([*LITTLE, kernel(77, 5)]).replace(b"77", number.encode())
    (tmp_path / "odd.json").write_bytes(text)
    result = analyzed(tmp_path / "odd.json", TRACE)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert len(answer["ranks"]) + len(answer["unreadable"]) == 2
    assert answer["ranks"][-1]["name"] == TRACE


def test_ten_gigabytes_in_a_small_gzip_are_not_unpacked_beyond_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(claiming(10))
    result = analyzed(path, "--max-bytes", 5_000_000)
    assert result.exit_code == 1
    assert f"error: {path} holds more than 5000000 bytes of text" in result.stderr
    assert "try: --max-bytes" in result.stderr


def test_in_a_folder_other_files_are_passed_over_and_bad_ones_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(trace_bytes(LITTLE))
    (tmp_path / "b.json").write_bytes(b"not one")
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "model.pt").write_bytes(bytes(100))
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "dangling.json").symlink_to(tmp_path / "gone")
    answer = json.loads(analyzed(tmp_path).stdout)
    assert [Path(each["name"]).name for each in answer["ranks"]] == ["a.json"]
    assert [Path(each["name"]).name for each in answer["unreadable"]] == ["b.json"]


def test_a_folder_without_traces_says_what_a_trace_is_called(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    result = analyzed(tmp_path)
    assert result.exit_code == 1
    assert f"error: {tmp_path} holds no trace" in result.stderr
    assert "try: a trace's name ends in .json" in result.stderr


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = analyzed(tmp_path / "pipe")
    assert result.exit_code == 1
    assert "is empty" in result.stderr


def denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("method", ["open", "is_dir"])
def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The superuser may read anything, so it is the call that is denied here."""
    path = tmp_path / "private.json"
    path.write_bytes(trace_bytes(LITTLE))
    allowed: Callable[..., Any] = getattr(Path, method)
    monkeypatch.setattr(
        Path, method, lambda self, *rest, **more: (denied if self == path else allowed)(self, *rest, **more)
    )
    result = analyzed(path, TRACE)
    assert result.exit_code == 0
    assert len([line for line in result.stderr.splitlines() if f"cannot read {path}: Permission denied" in line]) == 1
    assert len(json.loads(result.stdout)["ranks"]) == 1


def test_a_folder_that_may_not_be_looked_into_is_named_and_the_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "a.json").write_bytes(trace_bytes(LITTLE))
    look = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "private":
            raise PermissionError(13, "Permission denied", str(folder))
        return look(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    answer = json.loads(analyzed(tmp_path).stdout)
    assert [Path(each["name"]).name for each in answer["ranks"]] == ["a.json"]
    assert answer["unreadable"][0]["reason"].endswith("private: Permission denied")


def test_an_empty_name_is_not_the_folder_that_one_is_in() -> None:
    result = analyzed("")
    assert result.exit_code == 1
    assert "error: an empty name is no file's name" in result.stderr


def test_a_name_that_is_too_long_is_one_line() -> None:
    result = analyzed("x" * 5_000)
    assert result.exit_code == 1
    assert "File name too long" in result.stderr


@pytest.mark.parametrize("typed", [[], [TRACE, "--max-bytes", "0"], [TRACE, "--format", "xml"], [TRACE, "--nonsense"]])
def test_what_cannot_be_meant_is_a_usage_error(typed: list[str]) -> None:
    result = runner.invoke(application, ["analyze", *typed])
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
