"""Reading and writing reports: a report file is either whole or not there."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tempfile
import zlib
from pathlib import Path
from typing import Any

import msgspec

from profiler.errors import OutputExistsError, UnreadableError, UsageError
from profiler.report.json_text import json_text, schema_of
from profiler.report.records import SCHEMA_VERSION, Report

_OTHER_KINDS = {kind: f"what `bottleneck {kind}` answered" for kind in ("whatif", "analyze", "simulate", "endpoint")}
# Reports take a few MB, with the longest steps tens of them; a gzip file of 10 MB can hold 10 GB.
_MOST_BYTES = 256 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_ANOTHER_PLACE = "name a file in a folder of yours"

_DECODER = msgspec.json.Decoder(Report)


class _Envelope(msgspec.Struct):
    """As much as every version of a report has. What other verbs write has a kind of its own."""

    schema_version: str
    kind: str = ""


_ENVELOPE_DECODER = msgspec.json.Decoder(_Envelope)


def encode(report: Report) -> bytes:
    """The report as JSON, indented by two spaces, with a newline at its end."""
    return json_text(report)


def decode(data: bytes) -> Report:
    """The report that `data` holds.

    Raises `UnreadableError` when it is no report of this major version.
    """
    try:
        envelope = _ENVELOPE_DECODER.decode(data)
        if envelope.kind in _OTHER_KINDS:
            raise UnreadableError(
                f"this is {_OTHER_KINDS[envelope.kind]}, not a report",
                "name the file that `bottleneck profile -o` wrote",
            )
        version = envelope.schema_version
        if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
            raise UnreadableError(
                f"the report has schema version {version}, this tool reads {SCHEMA_VERSION}",
                "profile again with this version, or install the one that wrote the report",
            )
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"this is not a bottleneck report: {error}") from error


def load_report(path: str | Path) -> Report:
    """Read a report from a file, plain or gzipped. Raises `UnreadableError`, in one line, for anything else."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}") from error
    if data.startswith(_GZIP_MAGIC):
        data = _gunzipped(data, path)
    try:
        return decode(data)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error.message}", error.hint) from error


def _gunzipped(data: bytes, path: str | Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(_MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError(f"{path} is a damaged gzip file: {error}") from error
    if len(text) > _MOST_BYTES:
        raise UnreadableError(f"{path} holds more than {_MOST_BYTES >> 20} MiB of text, which is no report")
    return text


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


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it.

    A symbolic link stays, the file that it points to is replaced. Raises `UsageError` where that cannot be done.
    """
    target = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".bottleneck-")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", _ANOTHER_PLACE) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
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
    return schema_of(Report)
