"""The text of a trace file, unpacked a chunk at a time."""

from __future__ import annotations

import io
import os
import stat
import zlib
from collections.abc import Generator
from functools import partial
from pathlib import Path

from profiler.errors import UnreadableError
from profiler.trace.gunzip import gunzipped

# A file, its content, or a stream of it. A stream raises `UnreadableError` itself.
TraceSource = Path | bytes | io.RawIOBase

# Traces of PyTorch are a few GB at most; a gzip of 10 MB can hold 10 GB.
MAX_BYTES = 8 << 30

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 256 << 10  # as `gunzip` has it, where it was measured


def chunks(source: str | TraceSource, name: str, max_bytes: int = MAX_BYTES) -> Generator[bytes]:
    """The text, plain or gunzipped; of a gzip that ends too early, what stands in it.

    Raises `UnreadableError` where the file cannot be read, is damaged, or holds more than `max_bytes` of text.
    """
    left = max_bytes
    with _opened(source, name) as file:
        try:
            is_gzip = file.peek(2).startswith(_GZIP_MAGIC)
            for chunk in gunzipped(file) if is_gzip else iter(partial(file.read, _CHUNK_BYTES), b""):
                left -= len(chunk)
                if left < 0:
                    hint = "--max-bytes with a larger number, if you trust the file"
                    raise UnreadableError(f"{name} holds more than {max_bytes} bytes of text", hint)
                yield chunk
        except EOFError as error:
            if left == max_bytes:
                raise UnreadableError(f"{name} is a damaged gzip file: {error}", "copy or record it again") from error
        except zlib.error as error:
            raise UnreadableError(f"{name} is a damaged gzip file: {error}", "copy or record it again") from error
        except OSError as error:
            raise UnreadableError(f"cannot read {name}: {error.strerror}") from error


def _opened(source: str | TraceSource, name: str) -> io.BufferedReader:
    if isinstance(source, bytes):
        return io.BufferedReader(io.BytesIO(source))
    if isinstance(source, io.RawIOBase):
        return io.BufferedReader(source)
    try:
        if not stat.S_ISFIFO(os.stat(source).st_mode):  # noqa: PTH116 - one name for paths and texts
            return Path(source).open("rb")
        # Opened as a file is, a pipe would wait for somebody to write to it; so, one without a writer is empty.
        pipe = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(pipe, True)
        return os.fdopen(pipe, "rb")
    except OSError as error:
        raise UnreadableError(f"cannot read {name}: {error.strerror}") from error
