"""The text of a kept result: read from a file, plain or gzipped, and never more of it than a result can be."""

from __future__ import annotations

import gzip
import io
import shlex
import zlib
from pathlib import Path

from profiler.errors import UnreadableError

# A report takes a few MB, with the longest steps tens of them, an analysis of many ranks 100 MB; a gzip file of
# 10 MB can hold 10 GB.
_MOST_BYTES = 256 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_ANOTHER = "name a file that a verb kept with -o"


def stored_text(path: str | Path) -> bytes:
    """The text that the file holds. Raises `UnreadableError` where it cannot be read or is longer than any result."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}", _ANOTHER) from error
    if data.startswith(_GZIP_MAGIC):
        data = _gunzipped(data, path)
    if len(data) > _MOST_BYTES:
        raise UnreadableError(
            f"{path} holds more than {_MOST_BYTES >> 20} MiB of text, which is no report", _if_a_trace(path)
        )
    return data


def other_than_a_result(data: bytes, path: str | Path) -> str:
    """What to type next about a file that holds no result but `data`."""
    return _if_a_trace(path) if b'"traceEvents"' in data else _ANOTHER


def _if_a_trace(path: str | Path) -> str:
    return f"bottleneck analyze {shlex.quote(str(path))}"


def _gunzipped(data: bytes, path: str | Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return file.read(_MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError(f"{path} is a damaged gzip file: {error}") from error
