"""What every renderer makes of a small real result of every kind, as text that can be read.

`make golden` writes it anew beside this file; look at what changed before committing it.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf import text_format
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as published
from rich.console import Console

from profiler.render import markdown, table
from profiler.render.document import Block
from profiler.render.github import annotation_lines
from profiler.render.html import page
from profiler.render.junit import junit
from profiler.render.perfetto import PerfettoFile
from profiler.render.perfetto_kept import write_kept
from profiler.render.perfetto_steps import kept_steps
from profiler.render.result_annotations import result_annotations
from profiler.render.result_blocks import result_blocks
from profiler.render.summary_blocks import summary_blocks
from profiler.report.analysis import Analysis
from profiler.report.check import Check
from profiler.report.endpoint import Endpoint
from profiler.report.json_text import json_text
from profiler.report.kinds import Result, load_result
from profiler.report.records import Report
from profiler.report.simulation import Simulation
from profiler.session.analyze import analyze
from profiler.session.perfetto import write_perfetto
from tests.results import DATA, PATHS

HERE = Path(__file__).parent
RESULTS = {**PATHS, "profile-cpu": DATA / "report_versions/profile-1.3.json.gz"}
# A longer one is the same again and again.
_LONGEST_JSON = 200_000
_MOST_LINES = 1_500
_TRACE = DATA / "recordings/copy_stream.json.gz"


def renderings() -> dict[str, Callable[[], str]]:
    """How to make each golden file, by its name below this folder."""
    found: dict[str, Callable[[], str]] = {"analyze/copy_stream.pftrace.txt": _perfetto}
    for kind, path in RESULTS.items():
        found |= {f"{kind}/{name}": make for name, make in _of_result(load_result(path)).items()}
    return found


def _of_result(result: Result) -> dict[str, Callable[[], str]]:
    found: dict[str, Callable[[], str]] = {
        "table-80.txt": lambda: _table(result_blocks(result), 80),
        "table-160.txt": lambda: _table(result_blocks(result), 160),
        "markdown.md": lambda: markdown.render(result),
        "github.txt": lambda: annotation_lines(result_annotations(result, result_blocks(result), "result.json")),
        "page.html": lambda: _without_scripts(page.render(result)),
    }
    if isinstance(result, Report):
        rest = "See all: bottleneck show report.json --details"
        for width in (80, 160):
            found[f"short-{width}.txt"] = lambda width=width: _table(summary_blocks(result, rest), width)
    if isinstance(result, Simulation | Endpoint) or (isinstance(result, Report) and kept_steps(result)):
        found["kept.pftrace.txt"] = lambda: _beginning(_packets(_kept(result)))
    if isinstance(result, Check):
        found["junit.xml"] = lambda: junit(result).decode()
    if len(text := json_text(result)) <= _LONGEST_JSON:
        found["result.json"] = lambda: text.decode()
    return found


def _table(blocks: list[Block], width: int) -> str:
    text = io.StringIO()
    table.render_blocks(blocks, Console(file=text, width=width, color_system=None))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _without_scripts(text: str) -> str:
    """The page without what is the same in every one and the numbers of its pictures, in lines that can be read."""
    text = re.sub(r"(?s)(<(script|style)\b[^>]*>).*?(</\2>)", r"\1…\3", text)
    text = re.sub(r"sha256-[\w+/=]+", "sha256-…", text)
    return re.sub(r"(?<!^)(<(?:table|thead|tbody|tr|li|figure|figcaption|h\d)\b)", r"\n\1", text, flags=re.MULTILINE)


def _perfetto() -> str:
    answer = analyze(_TRACE)
    named = Analysis(tool_version="", ranks=answer.ranks, job=None, unreadable=[])
    with TemporaryDirectory() as folder:
        path = Path(folder, "out.pftrace")
        write_perfetto(named, str(_TRACE), path)
        return _packets(path.read_bytes()).replace(str(DATA), "tests/data")


def _kept(result: Result) -> bytes:
    file = io.BytesIO()
    write_kept(PerfettoFile(file), result)
    return file.getvalue()


def _packets(trace: bytes) -> str:
    return text_format.MessageToString(published.Trace.FromString(trace), as_utf8=True)


def _beginning(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:_MOST_LINES])


def write() -> None:
    """Write all, and remove what is none of them any more."""
    wanted = renderings()
    for path in kept():
        if path not in wanted:
            (HERE / path).unlink()
    for name, make in wanted.items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(make(), encoding="utf-8")
    sys.stdout.write(f"{len(wanted)} files are written in {HERE}: look at `git diff` of them\n")


def kept() -> list[str]:
    """The golden files that there are."""
    return sorted(str(path.relative_to(HERE)) for path in HERE.glob("*/*") if "__pycache__" not in path.parts)


if __name__ == "__main__":
    write()
