"""A file that is replaced is the old one or the new one, whenever its writer is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from profiler.errors import UsageError
from profiler.report.atomic_file import replacing, write_atomically

KILLS = 25
PIECE = 64 << 10
PIECES = 40
# Says so when it is about to begin, then writes for ever: the old text, the new one, in pieces as a stream does.
WRITER = f"""
import sys
from pathlib import Path
from profiler.report.atomic_file import replacing
print("ready", flush=True)
while True:
    for sign in (b"o", b"n"):
        with replacing(Path(sys.argv[1])) as file:
            for _ in range({PIECES}):
                file.write(sign * {PIECE})
        print(sign.decode(), flush=True)
"""


def litter(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".bottleneck-"))


def kill_at_some_instant(path: Path, chance: random.Random) -> None:
    """Kill a writer after some of its files, or in the midst of one."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(chance.randint(1, 3)):
            writer.stdout.readline()
        for _ in range(chance.randrange(20_000)):  # no sleep: some steps of work, so that the instant differs
            pass
        writer.send_signal(signal.SIGKILL)


def test_a_writer_that_is_killed_at_any_instant_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path, chance = tmp_path / "report.json", random.Random(0)
    whole = {sign * PIECE * PIECES for sign in (b"o", b"n")}
    path.write_bytes(b"o" * PIECE * PIECES)
    for _ in range(KILLS):
        kill_at_some_instant(path, chance)
        assert path.read_bytes() in whole
        assert len(litter(tmp_path)) <= 1  # what the last one left: those before were removed
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_what_another_writer_is_still_writing_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with replacing(path) as first:
        first.write(b"first")
        write_atomically(path, b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert litter(tmp_path) == []


def test_what_was_left_of_another_file_stays_until_that_is_written(tmp_path: Path) -> None:
    of_another = tmp_path / ".bottleneck-00000000-abc"
    of_another.write_bytes(b"half")
    write_atomically(tmp_path / "report.json", b"new")
    assert of_another.exists()


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path):  # a file is there from here on
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 250}.json"
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_disk_that_is_full_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*: No space left"), replacing(tmp_path / "report.json"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
