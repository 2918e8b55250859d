"""For programs: the report itself."""

from __future__ import annotations

from profiler.report.records import Report
from profiler.report.store import encode


def render(report: Report) -> bytes:
    """The report as JSON, UTF-8, as it is stored in a file."""
    return encode(report)
