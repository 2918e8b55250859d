"""The parent's side of the telemetry process: whatever happens to it, the run goes on."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from profiler.measure.telemetry.sampler import READY, SAMPLE, STOP, SamplerConfig
from profiler.measure.telemetry.source import Recording

_COMMAND = [sys.executable, "-P", "-m", "profiler.measure.telemetry.sampler"]
START_TIMEOUT_S = 15.0  # a driver without persistence needs seconds to start
ANSWER_TIMEOUT_S = 5.0


class SamplerProcess:
    """Starts, asks and ends the telemetry process. No method raises for what goes wrong in it: `end` says it.

    Idle, it waits on a pipe and costs nothing, so one may live as long as the session; but start it early: its start
    takes a moment, and must not fall into a clean pass.
    """

    def __init__(
        self,
        config: SamplerConfig,
        *,
        command: list[str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._config = config
        self._command = command or _COMMAND
        self._start_timeout_s = start_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._is_ready = False
        self._failure: str | None = None

    @property
    def pid(self) -> int | None:
        """The process id while there is a process."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process without waiting for it. Does nothing while one runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._failure = None
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the parent, which then ends it
            )
        except OSError as error:
            self._failure = f"the telemetry process could not be started: {error.strerror}"
            return
        self._send(msgspec.json.encode(self._config))

    def wait_until_ready(self) -> None:
        """Wait until it can sample at once, for a limited time. Starts it (again) where there is none."""
        self.start()
        if self._is_ready or self._failure:
            return
        line = self._receive(self._start_timeout_s)
        if line is not None and line.decode(errors="replace") != READY:
            self._fail("the telemetry process answered nonsense")
        self._is_ready = self._failure is None

    def begin(self) -> None:
        """Sample from now on."""
        self._send(SAMPLE.encode())

    def end(self) -> Recording:
        """Stop sampling: what was sampled since `begin`, or why there is nothing."""
        self._send(STOP.encode())
        line = self._receive(self._answer_timeout_s)
        if line is not None:
            try:
                return msgspec.json.decode(line, type=Recording)
            except msgspec.DecodeError:
                self._fail("the telemetry process answered nonsense")
        return Recording(failure=self._failure)

    def close(self) -> None:
        """End the process, by force where it does not go by itself."""
        process, self._process, self._is_ready = self._process, None, False
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None

    def __enter__(self) -> SamplerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, line: bytes) -> None:
        if self._failure or self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line + b"\n")
        except OSError:
            self._fail(self._obituary())

    def _receive(self, timeout_s: float) -> bytes | None:
        """The next line, or None, and then `_failure` says why."""
        if self._failure or self._process is None or self._process.stdout is None:
            return None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        data = b""
        while not data.endswith(b"\n"):
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self._fail(f"the telemetry process did not answer within {timeout_s:g} s")
                return None
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                self._fail(self._obituary())
                return None
            data += chunk
        return data[:-1]

    def _obituary(self) -> str:
        """Why the process that has closed its pipes did so."""
        assert self._process is not None
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "the telemetry process stopped answering"
        if code < 0:
            return f"the telemetry process was killed (signal {-code})"
        assert self._complaints is not None
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return f"the telemetry process failed (exit code {code}){': ' + lines[-1] if lines else ''}"

    def _fail(self, reason: str) -> None:
        """Give this process up; the next pass gets a fresh one."""
        self.close()
        self._failure = reason


def _environment() -> dict[str, str]:
    """This package on the path wherever it was found, and `-P` keeps the current folder off it.

    Installed packages are on it anyway, and must not come before the standard library.
    """
    root = str(Path(__file__).resolve().parents[3])
    if root in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return dict(os.environ)
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
