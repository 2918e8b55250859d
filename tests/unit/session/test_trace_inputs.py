"""Traces come as files, folders, archives, patterns or through a pipe; one that is damaged does not stop the others."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from profiler.errors import UnreadableError
from profiler.session.trace_inputs import MAX_BYTES, trace_inputs

TEXT = b'{"traceEvents": []}'


def texts(arguments: Sequence[str | Path], max_bytes: int = MAX_BYTES) -> dict[str, bytes | str]:
    found = trace_inputs([str(argument) for argument in arguments], max_bytes)
    return {
        Path(each.name).name: each.data.message if isinstance(each.data, UnreadableError) else each.data
        for each in found
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path = tmp_path / "traces"
    tmp_path.mkdir()
    (tmp_path / "b.json").write_bytes(TEXT)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(TEXT))
    (tmp_path / "notes.txt").write_text("no trace")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.json").write_bytes(TEXT)
    return tmp_path


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_a_file_is_unpacked_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "trace").write_bytes(gzip.compress(TEXT))
    assert texts([tmp_path / "trace"]) == {"trace": TEXT}


def test_a_folder_gives_all_its_traces_sorted_and_nothing_else(folder: Path) -> None:
    assert list(texts([folder])) == ["a.json.gz", "b.json", "c.json"]


def test_a_pattern_that_the_shell_left_alone_is_expanded(folder: Path) -> None:
    assert list(texts([f"{folder}/*.json"])) == ["b.json"]
    assert texts([f"{folder}/*.zip"]) == {"*.zip": f"no file matches {folder}/*.zip"}


def test_an_archive_gives_its_members_one_by_one(tmp_path: Path) -> None:
    files = {"ranks/0.json": TEXT, "ranks/1.json.gz": gzip.compress(TEXT), "README.md": b"no trace"}
    path = archive(tmp_path / "ranks.tar.gz", files)
    assert [each.name for each in trace_inputs([str(path)])] == [f"{path}:ranks/0.json", f"{path}:ranks/1.json.gz"]
    assert list(texts([path]).values()) == [TEXT, TEXT]


def test_a_damaged_member_does_not_hide_the_next(tmp_path: Path) -> None:
    files = {"0.json.gz": gzip.compress(TEXT)[:-9], "1.json": TEXT}
    first, second = texts([archive(tmp_path / "ranks.tgz", files)]).values()
    assert "damaged gzip file" in str(first)
    assert second == TEXT


def test_a_truncated_archive_gives_what_came_before(tmp_path: Path) -> None:
    path = archive(tmp_path / "ranks.tar.gz", {"0.json": TEXT, "1.json": bytes(range(256)) * 4000})
    path.write_bytes(path.read_bytes()[:200])
    found = texts([path])
    assert found["ranks.tar.gz:0.json"] == TEXT
    assert any("damaged" in str(text) for text in found.values())


def test_a_small_file_that_unpacks_to_more_than_allowed_is_refused_with_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    (bomb,) = trace_inputs([str(tmp_path / "bomb.json.gz")], max_bytes=1_000_000)
    assert isinstance(bomb.data, UnreadableError)
    assert "holds more than 1,000,000 bytes" in bomb.data.message
    assert "--max-bytes 2000000" in bomb.data.hint


@pytest.mark.parametrize(
    ("data", "reason"),
    [(gzip.compress(TEXT)[:-9], "damaged gzip file"), (b"\x1f\x8bno gzip at all", "damaged gzip file")],
)
def test_a_damaged_file_is_an_error_of_its_own(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "trace.json.gz").write_bytes(data)
    assert reason in str(texts([tmp_path / "trace.json.gz"])["trace.json.gz"])


def test_what_is_not_there_or_holds_no_trace_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "not.tar.gz").write_bytes(b"no archive")
    found = texts([tmp_path / "gone.json", tmp_path / "empty", tmp_path / "not.tar.gz"])
    assert "No such file" in str(found["gone.json"])
    assert "holds no trace" in str(found["empty"])
    assert "damaged archive" in str(found["not.tar.gz"])


def test_a_dash_reads_what_comes_in_through_a_pipe() -> None:
    piped = io.BufferedReader(io.BytesIO(gzip.compress(TEXT)))  # type: ignore[arg-type]
    (found,) = trace_inputs(["-"], stdin=piped)
    assert (found.name, found.data) == ("stdin", TEXT)
