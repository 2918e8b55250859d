"""The traces that a command line names: files, folders, archives, patterns, and what comes in through a pipe."""

from __future__ import annotations

import glob
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from profiler.errors import UnreadableError
from profiler.trace.trace_file import MAX_BYTES

STDIN = "-"
_TRACE_ENDINGS = (".json", ".json.gz")
_ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar")
_MORE = "--max-bytes with a larger number, if you trust it"


class TraceInput(Struct, frozen=True):
    """One trace: its file or what it holds, plain or gzipped, or why it could not be had."""

    name: str
    source: Path | bytes | UnreadableError


def trace_inputs(
    arguments: Sequence[str], max_bytes: int = MAX_BYTES, stdin: IO[bytes] | None = None
) -> Iterator[TraceInput]:
    """The traces that `arguments` name, one after the other; archives and pipes are read when it is their turn.

    In folders and archives only what ends in .json or .json.gz is a trace, sorted by name. What names nothing, and what
    comes out of an archive or a pipe with more than `max_bytes`, is an error of its own.
    """
    for argument in arguments:
        try:
            yield from _of_argument(argument, max_bytes, stdin)
        except UnreadableError as error:
            yield TraceInput(argument, error)
        except OSError as error:  # of a path that may not even be looked at, or is too long
            yield TraceInput(argument, UnreadableError(f"cannot read {argument}: {error.strerror or error}"))


def _of_argument(argument: str, max_bytes: int, stdin: IO[bytes] | None) -> Iterator[TraceInput]:
    path = Path(argument)
    if not argument:
        raise UnreadableError("an empty name is no file's name")
    if argument == STDIN:
        yield TraceInput("stdin", _piped(stdin or sys.stdin.buffer, max_bytes))
    elif path.is_dir():
        found, errors = _in_folder(path)
        if not found and not errors:
            raise UnreadableError(f"{argument} holds no trace", "a trace's name ends in .json, .json.gz or .tar.gz")
        for each in found:
            yield from trace_inputs([str(each)], max_bytes)
        for error in errors:
            yield TraceInput(error.filename, UnreadableError(f"cannot read {error.filename}: {error.strerror}"))
    elif not path.exists() and glob.has_magic(argument):
        matching = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matching:
            raise UnreadableError(f"no file matches {argument}")
        yield from trace_inputs(matching, max_bytes)
    elif path.name.endswith(_ARCHIVE_ENDINGS):
        yield from _of_archive(path, max_bytes)
    else:
        yield TraceInput(argument, path)


def _in_folder(folder: Path) -> tuple[list[Path], list[OSError]]:
    """The traces in a folder and the folders in it, sorted, and why some of these could not be looked into."""
    errors: list[OSError] = []
    found = [
        Path(inner, name)
        for inner, _, names in os.walk(folder, onerror=errors.append)
        for name in names
        if name.endswith(_TRACE_ENDINGS + _ARCHIVE_ENDINGS) and Path(inner, name).is_file()
    ]
    return sorted(found), errors


def _of_archive(path: Path, max_bytes: int) -> Iterator[TraceInput]:
    import tarfile  # not needed for files, and longer to import than many of them to read

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
                    yield _of_member(file, name, member.size, max_bytes)
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror or error}") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UnreadableError(f"{path} is a damaged archive: {error}", "copy it again") from error
    if not found:
        raise UnreadableError(f"{path} holds no trace", "a trace's name ends in .json or .json.gz")


def _of_member(file: IO[bytes], name: str, size: int, max_bytes: int) -> TraceInput:
    """One file of an archive; that it is too large says nothing of the next."""
    if size > max_bytes:
        return TraceInput(name, UnreadableError(f"{name} holds more than {max_bytes} bytes", _MORE))
    return TraceInput(name, file.read())


def _piped(stdin: IO[bytes], max_bytes: int) -> bytes:
    data = stdin.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise UnreadableError(f"stdin holds more than {max_bytes} bytes", _MORE)
    return data
