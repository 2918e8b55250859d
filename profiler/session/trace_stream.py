"""A trace that comes in through a stream: read as it is needed, and no further than is allowed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

from profiler.errors import UnreadableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MORE = "--max-bytes with a larger number, if you trust it"


class Readable(Protocol):
    """What a stream is made of."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at its end."""


class LookedAt:
    """A stream of which the first bytes, `start`, are known and have yet to be read. It tells what a pipe brings."""

    def __init__(self, file: Readable, size: int) -> None:
        self._file = file
        self.start = self._left = file.read(size)

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at its end."""
        if not self._left:
            return self._file.read(size)
        data, self._left = self._left[:size], self._left[size:]
        return data


class TraceStream(io.RawIOBase):
    """What `file` gives, from where it stands. To close it leaves `file` open.

    All that goes wrong is an `UnreadableError`, and kept in `failure`; more than `max_bytes` is one, too.
    """

    def __init__(self, name: str, file: Readable, max_bytes: int) -> None:
        self._name = name
        self._file = file
        self._max_bytes = max_bytes
        self._read_bytes = 0
        self.failure: UnreadableError | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` as far as there is something; the number of bytes, 0 at the end."""
        view = memoryview(buffer)
        try:
            data = self._next(len(view))
        except UnreadableError as error:
            self.failure = error
            raise
        view[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:
            raise UnreadableError(f"cannot read {self._name}: {error.strerror or error}") from error
        self._read_bytes += len(data)
        if self._read_bytes > self._max_bytes:
            raise UnreadableError(f"{self._name} holds more than {self._max_bytes} bytes", MORE)
        return data
