"""Where a section leaves what it found: `<section>.json`, and the reports that it rests on beside it."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec

from benchmarks.truth.section import Section
from profiler.report.json_text import json_text
from profiler.report.records import Report
from profiler.report.store import encode, write_atomically

_GZIP_LEVEL = 6


def write_section(folder: Path, section: Section) -> Path:
    """The section as `<its name>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{section.name}.json"
    write_atomically(path, json_text(section))
    return path


def read_section(path: Path) -> Section:
    """The section of a file. Raises `msgspec.DecodeError` for anything else."""
    return msgspec.json.decode(path.read_bytes(), type=Section)


def report_path(folder: Path, name: str) -> Path:
    """Where the report of a section lies; `name` is the section's, or begins with it."""
    return folder / f"{name}-report.json.gz"


def write_report(folder: Path, name: str, report: Report) -> Path:
    """The report, compressed: its timelines are long columns of numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    path = report_path(folder, name)
    write_atomically(path, gzip.compress(encode(report), _GZIP_LEVEL, mtime=0))
    return path
