"""Traces come as files, folders, archives, patterns or through a pipe; one that is damaged does not stop the others."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import pytest

from profiler.errors import UnreadableError
from profiler.session.trace_inputs import TraceInput, named_files, trace_inputs
from profiler.trace.trace_file import MAX_BYTES

TEXT = b'{"traceEvents": []}'


def sources(arguments: Sequence[str | Path], max_bytes: int = MAX_BYTES) -> dict[str, Path | bytes | str]:
    found = trace_inputs([str(argument) for argument in arguments], max_bytes)
    return {Path(each.name).name: content(each) for each in found}


def content(each: TraceInput) -> Path | bytes | str:
    """What is read of a stream, or why it cannot be."""
    source = each.source
    try:
        source = io.BufferedReader(source).read() if isinstance(source, io.RawIOBase) else source
    except UnreadableError as error:
        source = error
    return source.message if isinstance(source, UnreadableError) else source


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


def test_a_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "trace").write_bytes(gzip.compress(TEXT))
    assert sources([tmp_path / "trace"]) == {"trace": tmp_path / "trace"}


def test_a_folder_gives_all_its_traces_sorted_and_nothing_else(folder: Path) -> None:
    assert list(sources([folder])) == ["a.json.gz", "b.json", "c.json"]


def test_a_pattern_that_the_shell_left_alone_is_expanded(folder: Path) -> None:
    assert list(sources([f"{folder}/*.json"])) == ["b.json"]
    assert sources([f"{folder}/*.zip"]) == {"*.zip": f"no file matches {folder}/*.zip"}


def test_all_files_that_would_be_opened_are_known_before_any_is(folder: Path) -> None:
    arguments = [str(folder), f"{folder}/d*", f"{folder}/*.gz", f"{folder}/gone.json", "", f"{folder}/*.zip"]
    opened = [each.name for each in trace_inputs(arguments) if isinstance(each.source, Path)]
    named = [str(path) for path in named_files(arguments)]
    assert list(dict.fromkeys(named)) == opened  # and what was named twice is opened once
    assert (len(named), len(opened)) == (6, 4)


def test_an_archive_gives_its_members_one_by_one(tmp_path: Path) -> None:
    files = {"ranks/0.json": TEXT, "ranks/1.json.gz": gzip.compress(TEXT), "README.md": b"no trace"}
    path = archive(tmp_path / "ranks.tar.gz", files)
    assert [each.name for each in trace_inputs([str(path)])] == [f"{path}:ranks/0.json", f"{path}:ranks/1.json.gz"]
    assert list(sources([path]).values()) == [TEXT, files["ranks/1.json.gz"]]


def test_a_member_that_is_too_large_does_not_hide_the_next(tmp_path: Path) -> None:
    path = archive(tmp_path / "ranks.tgz", {"0.json": bytes(5_000), "1.json": TEXT})
    assert list(sources([path], max_bytes=100).values()) == [f"{path}:0.json holds more than 100 bytes", TEXT]


def test_a_truncated_archive_gives_what_came_before_and_says_once_that_it_is_damaged(tmp_path: Path) -> None:
    path = archive(tmp_path / "ranks.tar.gz", {"0.json": TEXT, "1.json": bytes(range(256)) * 4000, "2.json": TEXT})
    path.write_bytes(path.read_bytes()[:200])
    found = sources([path])
    assert list(found) == ["ranks.tar.gz:0.json", "ranks.tar.gz:1.json"]
    assert found["ranks.tar.gz:0.json"] == TEXT
    assert str(found["ranks.tar.gz:1.json"]).startswith(f"{path} is a damaged archive: ")


def test_an_archive_that_ends_where_nobody_read_on_is_damaged_too(tmp_path: Path) -> None:
    path = archive(tmp_path / "ranks.tar.gz", {"0.json": TEXT, "1.json": bytes(range(256)) * 4000})
    path.write_bytes(path.read_bytes()[:200])
    *_, last = trace_inputs([str(path)])
    assert isinstance(last.source, UnreadableError)
    assert "damaged archive" in last.source.message


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_without_end_is_damage_and_a_long_one_is_none(tmp_path: Path, form: int) -> None:
    name = "a" * 5_000
    found: list[dict[str, Path | bytes | str]] = []
    for number, times in enumerate((1, 1_000)):
        path = tmp_path / f"{number}.tar.gz"
        with tarfile.open(path, "w:gz", format=form) as tar:
            tar.addfile(tarfile.TarInfo(f"{name * times}.json"))
        found.append(sources([path]))
    assert found[0] == {f"0.tar.gz:{name}.json": b""}
    assert found[1].keys() == {"1.tar.gz"}
    assert "is a damaged archive: a name in it takes 50" in str(found[1]["1.tar.gz"])


def test_an_archive_that_was_not_packed_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "ranks.tar"
    path.write_bytes(gzip.decompress(archive(tmp_path / "ranks.tar.gz", {"0.json": TEXT}).read_bytes()))
    assert sources([path]) == {"ranks.tar:0.json": TEXT}


def test_what_holds_no_trace_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "not.tar.gz").write_bytes(b"no archive")
    found = sources([tmp_path / "empty", tmp_path / "not.tar.gz"])
    assert "holds no trace" in str(found["empty"])
    assert "damaged archive" in str(found["not.tar.gz"])


def test_a_file_that_is_named_in_several_ways_is_one_trace(folder: Path) -> None:
    packed = archive(folder / "d.tar.gz", {"0.json": TEXT})
    (folder.parent / "link.json").symlink_to(folder / "b.json")
    named = [folder / "b.json", folder, folder / "*.json", folder / "deeper" / ".." / "b.json", packed, packed]
    found = [each.name for each in trace_inputs([*map(str, named), str(folder.parent / "link.json")])]
    assert [Path(name).name for name in found] == ["b.json", "a.json.gz", "d.tar.gz:0.json", "c.json"]


@pytest.mark.parametrize("packed", [True, False])
def test_an_archive_that_comes_through_a_pipe_is_told_by_its_content(tmp_path: Path, packed: bool) -> None:
    files = {"0.json": TEXT, "1.json.gz": gzip.compress(bytes(range(256)) * 4_000), "README.md": b"no trace"}
    data = archive(tmp_path / "ranks.tar.gz", files).read_bytes()
    found = trace_inputs(["-"], stdin=io.BytesIO(data if packed else gzip.decompress(data)))
    assert [(each.name, content(each)) for each in found] == [
        ("stdin:0.json", files["0.json"]),
        ("stdin:1.json.gz", files["1.json.gz"]),
    ]


def test_a_piped_archive_that_is_damaged_or_too_large_says_so(tmp_path: Path) -> None:
    data = archive(tmp_path / "ranks.tar.gz", {"0.json": bytes(5_000), "1.json": TEXT}).read_bytes()
    found = [content(each) for each in trace_inputs(["-"], max_bytes=100, stdin=io.BytesIO(data))]
    assert found == ["stdin:0.json holds more than 100 bytes", TEXT]
    damaged = [content(each) for each in trace_inputs(["-"], stdin=io.BytesIO(data[:-20]))]
    assert "stdin is a damaged archive: " in str(damaged[-1])


def test_a_piped_trace_that_is_packed_is_no_archive() -> None:
    data = gzip.compress(TEXT * 100)
    (found,) = trace_inputs(["-"], stdin=io.BytesIO(data))
    assert (found.name, content(found)) == ("stdin", data)


class Endless:
    """Spaces without end, and how many of them were read."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "it is read whole"
        self.read_bytes += size
        return b" " * size


def test_a_dash_reads_what_comes_in_through_a_pipe() -> None:
    (found,) = trace_inputs(["-"], stdin=io.BytesIO(TEXT))
    assert (found.name, content(found)) == ("stdin", TEXT)


def test_of_a_pipe_no_more_is_read_than_is_asked_for_and_than_is_allowed() -> None:
    stdin = Endless()
    (found,) = trace_inputs(["-"], max_bytes=1_000_000, stdin=cast(IO[bytes], stdin))
    looked_at = stdin.read_bytes
    assert looked_at <= 4096
    assert isinstance(found.source, io.RawIOBase)
    assert found.source.read(looked_at) == b" " * looked_at
    assert stdin.read_bytes == looked_at
    assert found.source.read(1_000) == b" " * 1_000
    assert stdin.read_bytes == looked_at + 1_000
    assert content(found) == "stdin holds more than 1000000 bytes"
    assert stdin.read_bytes < 2_000_000


def test_a_pipe_that_is_closed_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert sources(["-"]) == {"-": "stdin is closed"}
