"""Reading and writing reports: a report file is either whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from profiler.errors import OutputExistsError, UnreadableError, UsageError
from profiler.report.records import SCHEMA_VERSION, Report

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Report)


def encode(report: Report) -> bytes:
    """The report as JSON, indented by two spaces, with a newline at its end."""
    return msgspec.json.format(_ENCODER.encode(report), indent=2) + b"\n"


def decode(data: bytes) -> Report:
    """The report that `data` holds.

    Raises `UnreadableError` when it is no report of this major version.
    """
    try:
        report = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"this is not a bottleneck report: {error}") from error
    if report.schema_version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise UnreadableError(
            f"the report has schema version {report.schema_version}, this tool reads {SCHEMA_VERSION}",
            "profile again with this version, or install the one that wrote the report",
        )
    return report


def load_report(path: str | Path) -> Report:
    """Read a report from a file. Raises `UnreadableError`, in one line, for anything else."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}") from error
    try:
        return decode(data)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error.message}", error.hint) from error


def check_writable(path: Path, *, force: bool) -> None:
    """Refuse, before any work is done, an output that could not be written at the end of it."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "name a file, e.g. -o report.json")
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists already", "add --force to replace it, or name another file")
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {folder}", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"cannot write {path}: permission denied", "name a file in a folder of yours")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "name a file in a folder of yours") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror}", "free some space or name another place") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a report, as `bottleneck schema` prints it."""
    return msgspec.json.schema(Report)
