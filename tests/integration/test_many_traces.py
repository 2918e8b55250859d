"""A real Ctrl-C while several processes read traces: what was read is kept, and no process stays."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import psutil
import pytest

from tests.unit.trace.trace_events import RECORDINGS, kernel, trace_bytes

pytestmark = pytest.mark.integration

MANY = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    for number in range(MANY):
        shutil.copy(RECORDINGS / "prefill_b1_512.json.gz", folder / f"{number:03}.json.gz")
    return folder


def reading(folder: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A run that has started its two processes, and these."""
    command = [sys.executable, "-m", "profiler", "analyze", str(folder), "--jobs", "2", "--format", "json"]
    run = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    workers: list[psutil.Process] = []
    while len(workers) < 2 and run.poll() is None:
        workers = psutil.Process(run.pid).children()
    return run, workers


def test_ctrl_c_keeps_what_was_read_and_leaves_no_process(folder: Path) -> None:
    run, workers = reading(folder)
    run.send_signal(signal.SIGINT)
    out, complaints = run.communicate()
    assert run.returncode == 130, complaints
    assert "Traceback" not in complaints
    if out:  # nothing was read yet, else
        answer = json.loads(out)
        assert not answer["complete"]
        assert 0 < len(answer["ranks"]) < MANY
    gone, _ = psutil.wait_procs(workers, timeout=60)  # one that was being started finds its pipe closed
    assert len(gone) == 2


def test_ctrl_c_removes_what_was_unpacked_for_other_processes(tmp_path: Path) -> None:
    archive, unpacked = tmp_path / "ranks.tar.gz", tmp_path / "unpacked"
    unpacked.mkdir()
    text = trace_bytes([kernel(10 * number, 5) for number in range(60_000)])
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for number in range(12):
            member = tarfile.TarInfo(f"{number}.json")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    run = subprocess.Popen(
        [sys.executable, "-m", "profiler", "analyze", str(archive), "--jobs", "2", "--format", "json"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(unpacked)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(unpacked.glob("*/*")) and run.poll() is None:
        pass
    run.send_signal(signal.SIGINT)
    out, complaints = run.communicate()
    assert run.returncode == 130, complaints
    assert 0 < len(json.loads(out)["ranks"]) < 12  # the first was read as it came
    assert not list(unpacked.iterdir())


def test_processes_end_with_a_parent_that_was_killed(folder: Path) -> None:
    run, workers = reading(folder)
    run.kill()
    run.communicate()
    gone, _ = psutil.wait_procs(workers, timeout=60)  # each ends once it is through with its trace
    assert len(gone) == 2
