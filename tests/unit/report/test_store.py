"""A report file is either whole or not there, and whatever else lies there is refused in one line."""

from __future__ import annotations

import gzip
import json
import os
import stat
from pathlib import Path

import pytest

from profiler.errors import OutputExistsError, UnreadableError, UsageError
from profiler.report import stored_text
from profiler.report.store import check_writable, decode, encode, load_report, write_atomically
from tests.unit.render import sample


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_atomically(path, encode(sample.report()))
    assert load_report(path) == sample.report()


def test_a_gzipped_report_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_bytes(gzip.compress(encode(sample.report())))
    assert load_report(path) == sample.report()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UnreadableError, match="damaged gzip file"):
        load_report(path)


def test_a_gzip_file_that_holds_more_than_any_report_is_not_unpacked_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_text, "_MOST_BYTES", 1 << 20)
    path = tmp_path / "report.json.gz"
    path.write_bytes(gzip.compress(b" " * (2 << 20)))
    with pytest.raises(UnreadableError, match="holds more than 1 MiB"):
        load_report(path)


@pytest.mark.parametrize("verb", ["whatif", "analyze"])
def test_what_another_verb_wrote_is_told_to_be_that(verb: str) -> None:
    with pytest.raises(UnreadableError, match=f"what `bottleneck {verb}` answered, not a report") as raised:
        decode(json.dumps({"kind": verb, "schema_version": "1.0", "phases": []}).encode())
    assert "bottleneck profile -o" in raised.value.hint


def test_the_keys_that_other_tools_rely_on_are_there() -> None:
    data = json.loads(encode(sample.report()))
    assert data["schema_version"] == "1.4"
    decode_phase = next(phase for phase in data["phases"] if phase["name"] == "decode")
    assert decode_phase["clean"]["wall_ms"]["median"] == 27.03
    assert decode_phase["parts"][0]["class"] == "scheduling"
    assert {"class", "cause", "share", "low", "high", "runner_up", "state", "throttled"} <= data["verdict"].keys()


def test_a_missing_number_is_null_and_never_left_out() -> None:
    load = json.loads(encode(sample.report()))["phases"][0]
    assert load["tokens_per_s"] is None


def test_fields_of_a_newer_minor_version_are_passed_over() -> None:
    data = json.loads(encode(sample.report()))
    data["schema_version"] = "1.7"
    data["a_field_of_the_future"] = {"deep": [1, 2]}
    assert decode(json.dumps(data).encode()).kind == "profile"


def test_another_major_version_is_refused_by_its_number_whatever_its_shape() -> None:
    with pytest.raises(UnreadableError, match=r"schema version 2\.0, this tool reads 1"):
        decode(b'{"schema_version": "2.0", "phases": "shaped otherwise"}')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"schema_version": 1}',
        b'{"schema_version": "1.0"}',
        b"\xff\xfe",
        b'{"a":' * 100_000,
    ],
    ids=["empty", "text", "list", "object", "number-as-version", "fields-missing", "not-utf8", "too-deep"],
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableError, match="not a bottleneck report"):
        decode(data)


def test_a_wrong_type_is_refused_with_the_place_where_it_stands() -> None:
    data = json.loads(encode(sample.report()))
    data["phases"][2]["clean"]["wall_ms"]["median"] = "27 ms"
    with pytest.raises(UnreadableError, match=r"wall_ms\.median"):
        decode(json.dumps(data).encode())


@pytest.mark.parametrize("name", ["nowhere.json", "."])
def test_an_unreadable_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(UnreadableError, match=str(path)):
        load_report(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_permissions_that_any_new_file_gets(tmp_path: Path) -> None:
    ordinary, written = tmp_path / "ordinary", tmp_path / "written"
    ordinary.touch()
    write_atomically(written, b"")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path: Path) -> None:
    file, link = tmp_path / "run-1.json", tmp_path / "latest.json"
    file.write_bytes(b"old")
    link.symlink_to(file)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"


def test_writing_where_there_is_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        write_atomically(tmp_path / "nowhere" / "report.json", b"")


def test_an_existing_output_is_refused_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.touch()
    with pytest.raises(OutputExistsError) as refusal:
        check_writable(path, force=False)
    assert "--force" in refusal.value.hint
    check_writable(path, force=True)


def test_a_new_output_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(tmp_path / "report.json", force=False)
    monkeypatch.chdir(tmp_path)
    check_writable(Path("report.json"), force=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".", "is a folder"),
        ("nowhere/report.json", "there is no folder"),
        ("file/report.json", "there is no folder"),
        ("n" * 300, "File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=message):
        check_writable(tmp_path / name, force=True)


def test_a_pipe_or_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="no ordinary file"):
        check_writable(pipe, force=True)


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere, so the answer is faked
    with pytest.raises(UsageError, match="permission denied"):
        check_writable(tmp_path / "report.json", force=False)
