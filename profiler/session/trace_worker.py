"""A process that reads traces for this one.

It is a fresh interpreter and no fork: a caller's threads and open files are not its own, and a script without a
`__main__` guard is not run again. It ends with the pipe to its parent, whatever becomes of that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from profiler.session.trace_map import Outcome
    from profiler.trace.trace_file import TraceSource

Result = TypeVar("Result")

# What is pickled may come from wherever the parent found it.
_START = "import sys; sys.path[:] = {path!r}; from profiler.session.trace_worker import serve; serve({descriptor})"
_KILLED = 9


class TraceWorker(Generic[Result]):
    """The parent's side of one process."""

    def __init__(self, work: Callable[[str, TraceSource], Result]) -> None:
        """Start it. Raises `OSError` where the system lets this process start no more."""
        self.connection, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START.format(path=sys.path, descriptor=theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # there is a process for each core already
                start_new_session=True,  # Ctrl-C is for the parent, which then ends it
            )
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()
        self._send(work)

    def send(self, number: int, name: str, source: TraceSource) -> None:
        """Give it a trace to read. That it has died meanwhile shows when its answer is received."""
        self._send((number, name, source))

    def receive(self) -> Outcome[Result] | None:
        """Its answer, once there is one; None where it has died."""
        try:
            answer: Outcome[Result] = self.connection.recv()
        except (EOFError, OSError):
            return None
        return answer

    def obituary(self) -> str:
        """What became of a process that gave no answer."""
        self.connection.close()
        code = self._process.wait()
        if code == -_KILLED:
            return "the process that read it was killed, as the system does when memory runs out"
        died = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the process that read it {died}"

    def end(self) -> None:
        """End it, whatever it is doing."""
        self.connection.close()
        self._process.kill()
        self._process.wait()

    def _send(self, message: Any) -> None:
        with suppress(OSError):  # where it has died, the pipe is at its end, and `receive` says so
            self.connection.send(message)


def serve(descriptor: int) -> None:
    """In the worker: read traces until the parent closes the pipe."""
    from profiler.session.trace_map import outcome_of

    connection: Connection[Any, Any] = Connection(descriptor)
    with suppress(EOFError, OSError):
        work = connection.recv()
        while True:
            number, name, source = connection.recv()
            connection.send(outcome_of(number, name, source, work))
            del source  # it may be large, and the next one is, too
