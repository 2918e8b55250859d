"""The standard streams, any of which may be closed, full or gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from profiler.errors import FailedError, InterruptedByUser

_ELSEWHERE = "write it to a file on another disk"


class Unfailing:
    """A stream that takes all that is written to it: nobody's answer is lost because progress cannot be told."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def make_usable() -> None:
    """Put something in the place of closed streams, and never fail for stderr.

    Raises `FailedError` where stdout is closed: better told now than after the work.
    """
    is_closed = sys.stdout is None
    # In this order each takes the number that its stream had, so that no file that is opened later can.
    sys.stdin = sys.stdin or _nothing("r")
    sys.stdout = sys.stdout or _nothing("w")
    sys.stderr = cast(TextIO, Unfailing(sys.stderr or _nothing("w")))
    if is_closed:
        raise FailedError("cannot write to stdout: it is closed", "> FILE, or -o FILE > /dev/null")


@contextmanager
def answering(kept: Path | None = None, elsewhere: str = _ELSEWHERE) -> Iterator[None]:
    """Within, an answer is written to stdout, which is flushed at the end; `kept` is the file that holds it already.

    Raises `FailedError` where it cannot be written, with `elsewhere` to type next, and `InterruptedByUser` where Ctrl-C
    stopped it. A reader who wants no more, such as `head`, ends the process without a word.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        drop()
        raise SystemExit(1) from None
    except OSError as error:
        drop()
        what = f"cannot write to stdout: {error.strerror or error}"
        if kept is not None:
            raise FailedError(f"{what}; the answer is kept in {kept}") from error
        raise FailedError(what, elsewhere) from error
    except KeyboardInterrupt as interrupt:
        drop()
        where = "" if kept is None else f"; it is kept in {kept}"
        raise InterruptedByUser(f"the answer was not written whole{where}") from interrupt


def _nothing(mode: str) -> TextIO:
    return cast(TextIO, open(os.devnull, mode))  # noqa: PTH123 - it is open until the process ends


def drop() -> None:
    """Send what is left in the buffer of stdout nowhere: flushed at exit, it would fail or wait again."""
    with suppress(OSError):  # where stdout is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
