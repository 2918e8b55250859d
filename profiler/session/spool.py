"""Traces from streams that have to wait, or to be read by another process: short ones in memory, others in files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from profiler.errors import UnreadableError
from profiler.session.trace_inputs import TraceInput

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

# Up to here they are sent as they are; it is what a few processes may hold without being noticed.
_HELD_BYTES = 4 << 20


class Spool:
    """Holds what `kept` was given, until it is dropped, or all of it until the `with` block ends, however it does."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._files = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def kept(self, each: TraceInput) -> TraceInput:
        """The same trace, to be read at any time by any process of this machine; or why it cannot be."""
        if not isinstance(each.source, io.RawIOBase):
            return each
        try:
            stream = io.BufferedReader(each.source)
            start = stream.read(_HELD_BYTES + 1)
            return TraceInput(each.name, start if len(start) <= _HELD_BYTES else self._file(start, stream))
        except UnreadableError as error:
            return TraceInput(each.name, error)
        except OSError as error:
            reason = f"no room to unpack {each.name}: {error.strerror or error}"
            return TraceInput(each.name, UnreadableError(reason, "TMPDIR=FOLDER, one with more room"))

    def drop(self, each: TraceInput) -> None:
        """Let go of a trace that was read."""
        if self._folder is not None and isinstance(each.source, Path) and each.source.parent == Path(self._folder.name):
            each.source.unlink(missing_ok=True)

    def _file(self, start: bytes, rest: io.BufferedReader[io.RawIOBase]) -> Path:
        import shutil  # these two take longer to import than a small trace to read, and few need them
        from tempfile import TemporaryDirectory

        self._folder = self._folder or TemporaryDirectory(prefix="bottleneck-")
        self._files += 1
        path = Path(self._folder.name, str(self._files))
        try:
            with path.open("wb") as file:
                file.write(start)
                shutil.copyfileobj(rest, file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path
