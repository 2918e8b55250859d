"""Reading and writing reports: a report file is either whole or not there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from profiler.errors import OutputExistsError, UnreadableError, UsageError
from profiler.report.atomic_file import write_atomically as write_atomically
from profiler.report.json_text import json_text, schema_of
from profiler.report.kinds import OTHER_KINDS, decode_as, envelope_of, load_as
from profiler.report.records import SCHEMA_VERSION, Report

_ANOTHER_PLACE = "name a file in a folder of yours"


def encode(report: Report) -> bytes:
    """The report as JSON, indented by two spaces, with a newline at its end."""
    return json_text(report)


def decode(data: bytes) -> Report:
    """The report that `data` holds.

    Raises `UnreadableError` when it is no report of this major version.
    """
    envelope = envelope_of(data)
    if envelope.kind in OTHER_KINDS:
        raise UnreadableError(
            f"this is what `bottleneck {envelope.kind}` answered, not a report",
            "name the file that `bottleneck profile -o` wrote",
        )
    return decode_as(Report, data, envelope, SCHEMA_VERSION)


def load_report(path: str | Path) -> Report:
    """Read a report from a file, plain or gzipped. Raises `UnreadableError`, in one line, for anything else."""
    return load_as(decode, path)


def check_writable(path: Path, *, force: bool, source: Path | None = None) -> None:
    """Refuse, before any work is done, an output that could not be written at the end of it.

    Raises `OutputExistsError` for a file that is there already unless `force`, `UsageError` for all else, `force` or
    not for `source`, the file that is read: what replaces it is made of it and is none.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", _ANOTHER_PLACE) from error
    if mode is not None and stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a folder", "name a file, e.g. -o report.json")
    if mode is not None and not stat.S_ISREG(mode):
        # Replacing a device or a pipe by a file would break it for everybody.
        raise UsageError(f"{path} is no ordinary file", "name another; --format json writes the report to stdout")
    if mode is not None and source is not None and _is_same(path, source):
        raise UsageError(f"{path} is a file that is read: it would be lost", "name another file")
    if mode is not None and not force:
        raise OutputExistsError(f"{path} exists already", "add --force to replace it, or name another file")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}", f"mkdir -p {path.parent}")
    if not os.access(folder, os.W_OK | os.X_OK) or (mode is not None and not os.access(path, os.W_OK)):
        raise UsageError(f"cannot write {path}: permission denied", _ANOTHER_PLACE)


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # what is not there, or may not be looked at, cannot be read either
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a report, as `bottleneck schema` prints it."""
    return schema_of(Report)
