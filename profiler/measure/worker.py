"""A process of our own that answers lines with lines: whatever happens to it, the run goes on."""

from __future__ import annotations

import os
import select
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

READY = "ready"
"""What a worker answers to its first line, its configuration, once it can start at once."""

START_TIMEOUT_S = 15.0  # a driver without persistence needs seconds to start


class WorkerProcess:
    """Starts, asks and ends one process. No method raises for what goes wrong in it: `_failure` says it.

    Idle, it waits on a pipe and costs nothing, so one may live as long as the session; but start it early: its start
    takes a moment, and must not fall into a clean pass.
    """

    def __init__(
        self,
        what: str,
        command: list[str],
        configuration: bytes,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`what` names it in sentences; `environment` is added to this process's own."""
        self._what = what
        self._command = command
        self._configuration = configuration
        self._start_timeout_s = start_timeout_s
        self._environment = dict(environment or {})
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
                env=_with_this_package() | self._environment,
                start_new_session=True,  # Ctrl-C is for the parent, which then ends it
            )
        except OSError as error:
            self._failure = f"{self._what} could not be started: {error.strerror}"
            return
        self._send(self._configuration)

    def wait_until_ready(self) -> None:
        """Wait until it can start at once, for a limited time. Starts it (again) where there is none."""
        self.start()
        if self._is_ready or self._failure:
            return
        line = self._receive(self._start_timeout_s)
        if line is not None and line.decode(errors="replace") != READY:
            self._fail(f"{self._what} answered nonsense")
        self._is_ready = self._failure is None

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

    def __enter__(self) -> Self:
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
        chunks = [b""]
        while not chunks[-1].endswith(b"\n"):
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self._fail(f"{self._what} did not answer within {timeout_s:g} s")
                return None
            chunks.append(os.read(descriptor, 1 << 20))
            if not chunks[-1]:
                self._fail(self._obituary())
                return None
        return b"".join(chunks)[:-1]

    def _obituary(self) -> str:
        """Why the process that has closed its pipes did so."""
        assert self._process is not None
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return f"{self._what} stopped answering"
        if code < 0:
            return f"{self._what} was killed (signal {-code})"
        assert self._complaints is not None
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return f"{self._what} failed (exit code {code}){': ' + lines[-1] if lines else ''}"

    def _fail(self, reason: str) -> None:
        """Give this process up; the next pass gets a fresh one."""
        self.close()
        self._failure = reason


class Lines:
    """In the worker: the lines of a file descriptor, read as they come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self.ended = False

    def wait(self, timeout_s: float | None = None) -> bytes | None:
        """The next line; None when it has not come in time, or never will."""
        while b"\n" not in self._buffer:
            if self.ended or not select.select([self._descriptor], [], [], timeout_s)[0]:
                return None
            data = os.read(self._descriptor, 65536)
            self.ended = not data
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def _with_this_package() -> dict[str, str]:
    """This package on the path wherever it was found, and `-P` keeps the current folder off it.

    Installed packages are on it anyway, and must not come before the standard library.
    """
    root = str(Path(__file__).resolve().parents[2])
    if root in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return dict(os.environ)
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
