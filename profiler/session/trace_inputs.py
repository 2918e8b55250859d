"""The traces that a command line names: files, folders, archives, patterns, and what comes in through a pipe."""

from __future__ import annotations

import glob
import gzip
import io
import sys
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from profiler.errors import UnreadableError

STDIN = "-"
# Traces of minutes have some GB of text; what claims more is more likely a mistake, or an attack.
MAX_BYTES = 4_000_000_000
_TRACE_ENDINGS = (".json", ".json.gz")
_ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar")
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class TraceInput:
    """The text of one trace, or why it could not be had."""

    name: str
    data: bytes | UnreadableError


def trace_inputs(
    arguments: Sequence[str], max_bytes: int = MAX_BYTES, stdin: io.BufferedReader | None = None
) -> Iterator[TraceInput]:
    """The traces that `arguments` name, one after the other; each is read when it is asked for.

    In folders and archives only what ends in .json or .json.gz is a trace, sorted by name. A trace of more than
    `max_bytes`, unpacked, is an error of its own; so is an argument that names nothing.
    """
    for argument in arguments:
        try:
            yield from _of_argument(argument, max_bytes, stdin)
        except UnreadableError as error:
            yield TraceInput(argument, error)


def _of_argument(argument: str, max_bytes: int, stdin: io.BufferedReader | None) -> Iterator[TraceInput]:
    path = Path(argument)
    if argument == STDIN:
        yield TraceInput("stdin", _text(stdin or _standard_input(), "stdin", max_bytes))
    elif path.is_dir():
        found = sorted(
            each for each in path.rglob("*") if each.is_file() and each.name.endswith(_TRACE_ENDINGS + _ARCHIVE_ENDINGS)
        )
        if not found:
            raise UnreadableError(f"{argument} holds no trace", "a trace's name ends in .json, .json.gz or .tar.gz")
        for each in found:
            yield from trace_inputs([str(each)], max_bytes)
    elif not path.exists() and glob.has_magic(argument):
        matching = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matching:
            raise UnreadableError(f"no file matches {argument}")
        yield from trace_inputs(matching, max_bytes)
    elif path.name.endswith(_ARCHIVE_ENDINGS):
        yield from _of_archive(path, max_bytes)
    else:
        try:
            with path.open("rb") as file:
                yield TraceInput(argument, _text(file, argument, max_bytes))
        except OSError as error:
            raise UnreadableError(f"cannot read {argument}: {error.strerror}") from error


def _of_archive(path: Path, max_bytes: int) -> Iterator[TraceInput]:
    found = False
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if not member.isfile() or not member.name.endswith(_TRACE_ENDINGS):
                    continue
                found = True
                name = f"{path}:{member.name}"
                file = archive.extractfile(member)
                if file is not None:
                    yield _of_member(file, name, max_bytes)
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror or error}") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UnreadableError(f"{path} is a damaged archive: {error}", "copy it again") from error
    if not found:
        raise UnreadableError(f"{path} holds no trace", "a trace's name ends in .json or .json.gz")


def _of_member(file: IO[bytes], name: str, max_bytes: int) -> TraceInput:
    """One file of an archive; that it is damaged says nothing of the next."""
    try:
        return TraceInput(name, _text(_peekable(file), name, max_bytes))
    except UnreadableError as error:
        return TraceInput(name, error)


def _standard_input() -> io.BufferedReader:
    return _peekable(sys.stdin.buffer)


def _peekable(file: IO[bytes]) -> io.BufferedReader:
    return file if isinstance(file, io.BufferedReader) else io.BufferedReader(io.BytesIO(file.read()))


def _text(file: io.BufferedReader, name: str, max_bytes: int) -> bytes:
    """What a file holds, unpacked."""
    is_gzip = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
    text = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=file) if is_gzip else nullcontext(file) as whole:
            while piece := whole.read(_CHUNK_BYTES):
                text.write(piece)
                if text.tell() > max_bytes:
                    size = f"{max_bytes / 1e9:.3g} GB" if max_bytes >= 1e9 else f"{max_bytes:,} bytes"
                    more = f"--max-bytes {2 * max_bytes} would read on"
                    raise UnreadableError(f"{name} holds more than {size}", more)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableError(f"{name} is a damaged gzip file: {error}", "copy or record it again") from error
    return text.getvalue()
