"""The traces that a command line names: files, folders, archives, patterns, and what comes in through a pipe."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import IO

from msgspec import Struct

from profiler.errors import UnreadableError
from profiler.trace.perfetto_magic import is_perfetto
from profiler.trace.trace_file import MAX_BYTES

STDIN = "-"
TRACE_ENDINGS = (".json", ".json.gz")
_ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar")


class TraceInput(Struct, frozen=True):
    """One trace: its file or what it holds, plain or gzipped, or why it could not be had.

    What comes out of an archive or a pipe is a stream: it is there until the next trace is asked for.
    """

    name: str
    source: Path | bytes | RawIOBase | UnreadableError


def trace_inputs(
    arguments: Sequence[str], max_bytes: int = MAX_BYTES, stdin: IO[bytes] | None = None
) -> Iterator[TraceInput]:
    """The traces that `arguments` name, one after the other; archives and pipes are read as their streams are.

    In folders and archives only what ends in .json or .json.gz is a trace, sorted by name. What names nothing, and what
    comes out of an archive or a pipe with more than `max_bytes`, is an error of its own. What several of them name, as
    a folder and a pattern may, is one trace.
    """
    yield from _of_arguments(arguments, max_bytes, stdin, set())


def _of_arguments(
    arguments: Sequence[str], max_bytes: int, stdin: IO[bytes] | None, seen: set[str]
) -> Iterator[TraceInput]:
    """The same, but for the files that were `seen`."""
    for argument in arguments:
        try:
            yield from _of_argument(argument, max_bytes, stdin, seen)
        except UnreadableError as error:
            yield TraceInput(argument, error)
        except OSError as error:  # of a path that may not even be looked at, or is too long
            yield TraceInput(argument, UnreadableError(f"cannot read {argument}: {error.strerror or error}"))


def named_files(arguments: Sequence[str]) -> Iterator[Path]:
    """Every file that `trace_inputs` would open for these arguments, none of which is opened."""
    for argument in arguments:
        if not argument:
            continue
        path = Path("/dev/stdin" if argument == STDIN else argument)
        with suppress(OSError):  # what may not be looked at is not read either
            if path.is_dir():
                yield from _in_folder(path)[0]
            elif not path.exists() and glob.has_magic(argument):
                yield from named_files(_matching(argument))
            else:
                yield path


def _of_argument(argument: str, max_bytes: int, stdin: IO[bytes] | None, seen: set[str]) -> Iterator[TraceInput]:
    path = Path(argument)
    if not argument:
        raise UnreadableError("an empty name is no file's name")
    if argument == STDIN:
        yield from _piped(stdin, max_bytes)
    elif path.is_dir():
        found, errors = _in_folder(path)
        if not found and not errors:
            raise UnreadableError(f"{argument} holds no trace", "a trace's name ends in .json, .json.gz or .tar.gz")
        yield from _of_arguments([str(each) for each in found], max_bytes, stdin, seen)
        for error in errors:
            yield TraceInput(error.filename, UnreadableError(f"cannot read {error.filename}: {error.strerror}"))
    elif not path.exists() and glob.has_magic(argument):
        matching = _matching(argument)
        if not matching:
            raise UnreadableError(f"no file matches {argument}")
        yield from _of_arguments(matching, max_bytes, stdin, seen)
    elif (file := os.path.realpath(path)) not in seen:
        seen.add(file)
        yield from _of_file(path, argument, max_bytes)


def _of_file(path: Path, argument: str, max_bytes: int) -> Iterator[TraceInput]:
    if path.name.endswith(_ARCHIVE_ENDINGS):
        from profiler.session.trace_archive import archived_traces  # takes longer to import than many files to read

        yield from archived_traces(path, max_bytes)
    elif is_perfetto(path):
        from profiler.session.perfetto_traces import perfetto_traces

        yield from perfetto_traces(path, max_bytes)
    else:
        yield TraceInput(argument, path)


def _matching(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern


def _in_folder(folder: Path) -> tuple[list[Path], list[OSError]]:
    """The traces in a folder and the folders in it, sorted, and why some of these could not be looked into."""
    errors: list[OSError] = []
    found = [
        Path(inner, name)
        for inner, _, names in os.walk(folder, onerror=errors.append)
        for name in names
        if name.endswith(TRACE_ENDINGS + _ARCHIVE_ENDINGS) and Path(inner, name).is_file()
    ]
    return sorted(found), errors


def _piped(stdin: IO[bytes] | None, max_bytes: int) -> Iterator[TraceInput]:
    """What comes in: an archive has no name to tell it by, but its first bytes do."""
    from profiler.session.trace_archive import LOOK_BYTES, is_archive, traces_of_archive
    from profiler.session.trace_stream import LookedAt, TraceStream

    if stdin is None and sys.stdin is None:  # as after `<&-`
        raise UnreadableError("stdin is closed", "bottleneck analyze - < trace.json.gz")
    piped = LookedAt(stdin or sys.stdin.buffer, LOOK_BYTES)
    if is_archive(piped.start):
        yield from traces_of_archive("stdin", piped, max_bytes)
    else:
        yield TraceInput("stdin", TraceStream("stdin", piped, max_bytes))
