"""A real Ctrl-C while several processes read traces: what was read is kept, and no process stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.unit.trace.trace_events import RECORDINGS

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


def test_processes_end_with_a_parent_that_was_killed(folder: Path) -> None:
    run, workers = reading(folder)
    run.kill()
    run.communicate()
    gone, _ = psutil.wait_procs(workers, timeout=60)  # each ends once it is through with its trace
    assert len(gone) == 2
