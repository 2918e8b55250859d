"""What our verbs keep, of every kind, read from a file: what it is stands in its `kind`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from profiler.errors import UnreadableError
from profiler.report.analysis import ANALYSIS_SCHEMA_VERSION, Analysis
from profiler.report.analysis_comparison import COMPARISON_SCHEMA_VERSION, AnalysisComparison
from profiler.report.check import CHECK_SCHEMA_VERSION, Check
from profiler.report.comparison import CHANGE_SCHEMA_VERSION, Comparison
from profiler.report.endpoint import ENDPOINT_SCHEMA_VERSION, Endpoint
from profiler.report.history import HISTORY_SCHEMA_VERSION, History
from profiler.report.records import SCHEMA_VERSION, Report
from profiler.report.simulation import SIMULATION_SCHEMA_VERSION, Simulation
from profiler.report.stored_text import other_than_a_result, stored_text
from profiler.report.whatif import WHATIF_SCHEMA_VERSION, WhatIf

Result = Report | WhatIf | Analysis | AnalysisComparison | Simulation | Endpoint | Check | Comparison | History

RECORDS: dict[str, tuple[type[Result], str]] = {
    **dict.fromkeys(("profile", "capture", ""), (Report, SCHEMA_VERSION)),
    "whatif": (WhatIf, WHATIF_SCHEMA_VERSION),
    "analyze": (Analysis, ANALYSIS_SCHEMA_VERSION),
    "analyze-comparison": (AnalysisComparison, COMPARISON_SCHEMA_VERSION),
    "simulate": (Simulation, SIMULATION_SCHEMA_VERSION),
    "endpoint": (Endpoint, ENDPOINT_SCHEMA_VERSION),
    "check": (Check, CHECK_SCHEMA_VERSION),
    "compare": (Comparison, CHANGE_SCHEMA_VERSION),
    "history": (History, HISTORY_SCHEMA_VERSION),
}
OTHER_KINDS = frozenset(kind for kind, (record, _) in RECORDS.items() if record is not Report)

_NO_RESULT = "this is not a bottleneck report"
_Record = TypeVar("_Record")


class Envelope(msgspec.Struct):
    """As much as every version of every kind has."""

    schema_version: str
    kind: str = ""


_ENVELOPE_DECODER = msgspec.json.Decoder(Envelope)


def load_result(path: str | Path) -> Result:
    """Read what a verb kept, plain or gzipped. Raises `UnreadableError`, in one line, for anything else."""
    return load_as(decode_result, path)


def load_as(decoded: Callable[[bytes], _Record], path: str | Path) -> _Record:
    """What `decoded` makes of a file's text; its `UnreadableError` names the file, and what else it may be."""
    text = stored_text(path)
    try:
        return decoded(text)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error.message}", error.hint or other_than_a_result(text, path)) from error


def is_result(path: str | Path) -> bool:
    """Whether the file is what a verb keeps."""
    try:
        return Path(path).is_file() and envelope_of(stored_text(path)).kind in RECORDS  # a pipe would wait for more
    except UnreadableError:
        return False


def decode_result(data: bytes) -> Result:
    """The result that `data` holds. Raises `UnreadableError` for an unknown kind and another major version of it."""
    envelope = envelope_of(data)
    if envelope.kind not in RECORDS:
        raise UnreadableError(
            f"{_NO_RESULT} of a kind that this version knows: it calls itself {envelope.kind[:40]!r}",
            "install the version that wrote it",
        )
    record, version = RECORDS[envelope.kind]
    return decode_as(record, data, envelope, version)


def envelope_of(data: bytes) -> Envelope:
    """What `data` says that it is. Raises `UnreadableError` where that is nothing, or nested too deep to be read."""
    try:
        return _ENVELOPE_DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{_NO_RESULT}: {error}") from error


def decode_as(record: type[_Record], data: bytes, envelope: Envelope, version: str) -> _Record:
    """The record, whose schema has that `version`, in `data`. Raises `UnreadableError` for another major version."""
    if envelope.schema_version.partition(".")[0] != version.partition(".")[0]:
        raise UnreadableError(
            f"the report has schema version {envelope.schema_version[:40]}, this tool reads {version}",
            "profile again with this version, or install the one that wrote the report",
        )
    try:
        return msgspec.json.decode(data, type=record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{_NO_RESULT}: {error}") from error
