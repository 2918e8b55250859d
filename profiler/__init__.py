"""Why isn't this model faster, and what would make it faster? The public Python API.

>>> from profiler import profile
>>> report = profile("tiny", device="cpu")  # doctest: +SKIP
>>> report.verdict.class_  # doctest: +SKIP
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # to import it takes 10 ms, in which Ctrl-C would meet nobody who tells it
if TYPE_CHECKING:
    from typing import Any

    from profiler.report.analysis import Analysis as Analysis
    from profiler.report.records import Report as Report
    from profiler.report.store import load_report as load_report
    from profiler.session.analyze import analyze as analyze
    from profiler.session.capture import capture as capture
    from profiler.session.profile import profile as profile

__all__ = ["Analysis", "Report", "__version__", "analyze", "capture", "load_report", "profile"]

# Importing the package costs nothing: each name brings in what it needs when it is first asked for.
_HOMES = {
    "Analysis": "profiler.report.analysis",
    "analyze": "profiler.session.analyze",
    "Report": "profiler.report.records",
    "load_report": "profiler.report.store",
    "capture": "profiler.session.capture",
    "profile": "profiler.session.profile",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'profiler' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
