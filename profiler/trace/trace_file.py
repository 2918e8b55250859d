"""The text of a trace file, unpacked a chunk at a time."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

from profiler.errors import UnreadableError

# Traces of PyTorch are a few GB at most; a gzip of 10 MB can hold 10 GB.
MAX_BYTES = 8 << 30

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 512 << 10


def chunks(source: str | Path | bytes, name: str, max_bytes: int = MAX_BYTES) -> Generator[bytes]:
    """The text, plain or gunzipped; a thread of its own reads ahead by one chunk.

    Raises `UnreadableError` where the file cannot be read, is damaged, or holds more than `max_bytes` of text.
    """
    left = max_bytes
    with _opened(source, name) as file, ThreadPoolExecutor(1, "unpack") as thread:
        is_gzip = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        text = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_gzip else file
        coming = thread.submit(_read, text, name)
        while chunk := coming.result():
            coming = thread.submit(_read, text, name)
            left -= len(chunk)
            if left < 0:
                raise UnreadableError(
                    f"{name} holds more than {max_bytes} bytes of text", "a larger bound, if you trust the file"
                )
            yield chunk


def _opened(source: str | Path | bytes, name: str) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise UnreadableError(f"cannot read {name}: {error.strerror}") from error


def _read(file: BinaryIO, name: str) -> bytes:
    try:
        return file.read(_CHUNK_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError(f"{name} is a damaged gzip file: {error}", "copy or record it again") from error
    except OSError as error:
        raise UnreadableError(f"cannot read {name}: {error.strerror}") from error
