"""The lines of a text from somebody else: none is so long, and all are not so many, that they would fill the memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from profiler.errors import UnreadableError

# A million requests with their prompts' hashes take 500 MB; a gzip of 1 MB can hold as much.
MAX_BYTES = 1 << 30
# A record of a request is some hundred characters; one that holds its prompt as text, a few million.
MOST_OF_A_LINE = 4 << 20


class TextLines:
    """Iterates over the lines; one of more than `MOST_OF_A_LINE` characters is an empty text instead, and counted.

    Raises `UnreadableError` after more than `max_bytes` of text; a character counts as a byte, as in a log it is.
    """

    def __init__(self, file: TextIO, name: str, max_bytes: int = MAX_BYTES) -> None:
        self._file, self._name, self._max_bytes = file, name, max_bytes
        self._left, self._within = max_bytes, False
        self._left_out: list[int] = []
        self.number = 0  # of the line that was read last, from 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self._within:
            self._within = not _ends(self._piece())
        line = self._piece()
        if not line:
            raise StopIteration
        self.number += 1
        if _ends(line):
            return line
        self._left_out.append(self.number)
        self._within = True
        return ""

    def left_out(self) -> list[int]:
        """The numbers of the lines that were too long since this was last asked."""
        numbers, self._left_out = self._left_out, []
        return numbers

    def _piece(self) -> str:
        piece = self._file.readline(MOST_OF_A_LINE)
        self._left -= len(piece)
        if self._left < 0:
            raise UnreadableError(
                f"{self._name} holds more than {self._max_bytes} bytes of text",
                "a part of it; or `simulate --max-bytes` with a larger number, if you trust it",
            )
        return piece


def _ends(piece: str) -> bool:
    return len(piece) < MOST_OF_A_LINE or piece.endswith(("\n", "\r"))
