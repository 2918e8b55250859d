"""Where results go: stdout carries the result and nothing else."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from profiler.cli.formats import Format

if TYPE_CHECKING:
    from rich.console import Console

    from profiler.render.document import Block
    from profiler.report.records import Report

# What a terminal that knows only ASCII is shown for the signs that the tables use.
_PLAIN = dict(zip(map(ord, "–…─█▓▒▞░·µ"), "-.-#=+%:.u", strict=True))
_FILE_WIDTH = 120


def emit_report(report: Report, form: Format) -> None:
    """Write a report to stdout."""
    write(report_bytes(report, form)) if form is not Format.TABLE else _show(report)


def report_bytes(report: Report, form: Format) -> bytes:
    """A report in any format, for a file."""
    from profiler.render import json, markdown, table

    match form:
        case Format.JSON:
            return json.render(report)
        case Format.MARKDOWN:
            return markdown.render(report).encode()
        case Format.TABLE:
            from rich.console import Console

            text = io.StringIO()
            table.render(report, Console(file=text, width=_FILE_WIDTH))
            return text.getvalue().encode()


def emit_blocks(blocks: list[Block], form: Format, as_json: Callable[[], bytes]) -> None:
    """Write blocks, or the JSON that holds the same, to stdout."""
    match form:
        case Format.JSON:
            write(as_json())
        case Format.MARKDOWN:
            from profiler.render import markdown

            write(markdown.render_blocks(blocks).encode())
        case Format.TABLE:
            from profiler.render import table

            table.render_blocks(blocks, _console())


def write(text: bytes) -> None:
    """Write text as it is to stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def _show(report: Report) -> None:
    from profiler.render import table

    table.render(report, _console())


def _console() -> Console:
    """A console on stdout that survives a terminal without Unicode."""
    from rich.console import Console

    codecs.register_error("bottleneck", _plain)
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.encoding.lower().startswith("utf"):
        sys.stdout.reconfigure(errors="bottleneck")
    return Console()


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "replace").decode(), error.end
