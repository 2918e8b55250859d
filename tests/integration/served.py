"""A server of a test's own: started on loopback, waited for, and gone with all that it wrote."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_START_S, _STOP_S = 240, 30
# Whatever a server keeps between two runs, it keeps in its home, wherever the user's own settings lie.
_ELSEWHERE = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HF_HOME", "HF_HUB_CACHE", "VLLM_CACHE_ROOT")
_ELSEWHERE += ("VLLM_CONFIG_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TRITON_HOME", "NUMBA_CACHE_DIR")


@contextmanager
def serving(command: Sequence[str | Path], log: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The URL of a server that runs while the context lasts; it is told its address by `--host` and `--port`."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as told, TemporaryDirectory(prefix="served-", ignore_cleanup_errors=True) as home:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=told, stderr=subprocess.STDOUT, env=_environment(home, settings or {}), start_new_session=True,
        )  # fmt: skip
        try:
            _wait_for(url, process, log)
            yield url
        finally:
            _stop(process)


def _environment(home: str, settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return kept | {"HOME": home, "TMPDIR": home, "HF_HUB_OFFLINE": "1"} | dict(settings)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_S
    while not _answers(url):
        why = f"ended with {process.returncode}" if process.poll() is not None else f"not up after {_START_S} s"
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"the server: {why}; the end of what it said:\n{log.read_text()[-3000:]}", pytrace=False)
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it and all that it started, which is a session of its own."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
