"""A real Ctrl-C to a real run, in each of its phases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from profiler.device.cpu import CpuDevice
from profiler.report.store import load_report
from tests.unit.session.machines import put_ceilings_into_the_cache
from tests.unit.session.missing_numbers import numbers_without_reason

pytestmark = pytest.mark.integration


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One thread here and in the run, so that the ceilings put into the cache here are those of the run."""
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    put_ceilings_into_the_cache(CpuDevice())
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("stage", "kept"),
    [
        ("Building tiny", []),
        ("prefill: measuring", ["load"]),
        ("prefill: telemetry", ["load", "prefill"]),
        ("decode: telemetry", ["load", "prefill", "decode"]),
        ("prefill: tracing", ["load", "prefill", "decode"]),
    ],
)
def test_ctrl_c_keeps_what_was_measured_and_exits_with_130(
    one_thread: None, tmp_path: Path, stage: str, kept: list[str]
) -> None:
    arguments = ["profile", "tiny", "--device", "cpu", "--prompt-tokens", "64", "-o", "report.json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "profiler", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if stage in line:
            break
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    stdout, rest = process.communicate()
    assert process.returncode == 130, told + rest
    assert rest.endswith("interrupted: what was measured before is kept\n")
    assert "Traceback" not in rest
    assert stdout.startswith("INCOMPLETE")
    report = load_report(tmp_path / "report.json")
    assert not report.complete
    assert [phase.name for phase in report.phases][: len(kept)] == kept  # by then it may have come further
    assert numbers_without_reason(report) == []
    assert psutil.wait_procs(children, timeout=30)[1] == []
