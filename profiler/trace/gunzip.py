"""Gunzips in large pieces: the standard library's file object reads 8 KiB at a time and copies what it reads twice."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

# What a cache holds with what is made of it: pieces of 1 MiB and slices of it take a quarter longer to read.
_PIECE_BYTES = 256 << 10
_READ_BYTES = 256 << 10
_GZIP = 16 + zlib.MAX_WBITS  # with header, length and checksum, which zlib checks


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def gunzipped(file: _Readable) -> Iterator[bytes]:
    """The text of all members of a gzip file, a piece at a time.

    Raises `EOFError` after the last piece where the file ends within a member, `zlib.error` where it is damaged.
    """
    packed = file.read(_READ_BYTES)
    while packed:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            if not packed:
                packed = file.read(_READ_BYTES)
                if not packed:
                    raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            piece = member.decompress(packed, _PIECE_BYTES)
            packed = member.unconsumed_tail
            if piece:
                yield piece
        packed = member.unused_data.lstrip(b"\0")
        while not packed and (packed := file.read(_READ_BYTES)):  # members may be padded with zeros
            packed = packed.lstrip(b"\0")
