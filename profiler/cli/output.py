"""Where results go: stdout carries the result and nothing else."""

from __future__ import annotations

import codecs
import io
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from profiler.cli.formats import Format, ShowFormat
from profiler.cli.streams import answering

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from profiler.render.document import Block
    from profiler.report.kinds import Result

# What a terminal that knows only ASCII is shown for the signs that the tables use.
_PLAIN = dict(zip(map(ord, "–…─█▓▒▞░·µ"), "-.-#=+%:.u", strict=True))
_FILE_WIDTH = 120
_KEEP = "-o FILE on another disk"


def emit_result(
    result: Result, form: Format, output: Path | None = None, *, details: bool = False, kept: Path | None = None
) -> None:
    """Write a result of any kind to stdout and, before, its JSON to `output`.

    A report as a table is short unless `details`; `kept` is the file, if any, from which it can be shown whole.
    """
    from profiler.report.json_text import json_text
    from profiler.report.records import Report

    def blocks() -> list[Block]:
        if isinstance(result, Report) and form is Format.TABLE and not details:
            from profiler.render.summary_blocks import summary_blocks

            return summary_blocks(result, _how_to_see_all(kept))
        from profiler.render.result_blocks import result_blocks

        return result_blocks(result)

    hand_over(blocks, form, lambda: json_text(result), output)


def _how_to_see_all(kept: Path | None) -> str:
    if kept is None:
        return "Run it with --details to see all, or with -o FILE to keep it."
    return f"See all: bottleneck show {shlex.quote(str(kept))} --details"


def result_bytes(result: Result, form: ShowFormat) -> bytes:
    """A result of any kind in any format, for a file."""
    match form:
        case ShowFormat.JSON:
            from profiler.report.json_text import json_text

            return json_text(result)
        case ShowFormat.MARKDOWN:
            from profiler.render import markdown

            return markdown.render(result).encode()
        case ShowFormat.GITHUB:
            from profiler.render.github import summary
            from profiler.render.result_blocks import result_blocks

            return summary(result_blocks(result)).encode()
        case ShowFormat.HTML:
            from profiler.render.html import page

            return page.render(result).encode()
        case ShowFormat.TABLE:
            from rich.console import Console

            from profiler.render import table

            text = io.StringIO()
            table.render(result, Console(file=text, width=_FILE_WIDTH))
            return text.getvalue().encode()
        case ShowFormat.PERFETTO:
            raise ValueError("a trace for Perfetto is made of more than the result")


def hand_over(
    blocks: Callable[[], list[Block]], form: Format, as_json: Callable[[], bytes], output: Path | None
) -> None:
    """Write an answer to stdout, as blocks or as the JSON that holds the same.

    The JSON goes to `output` before: a terminal that went away must not cost the answer, nor a disk that is full.
    """
    kept = None
    with answering(elsewhere=_KEEP):
        try:
            if output is not None:
                from profiler.report.store import write_atomically

                write_atomically(output, as_json())
                kept = output
        finally:
            with answering(kept, _KEEP):
                _show(blocks, form, as_json)


def emit_blocks(blocks: list[Block], form: Format, as_json: Callable[[], bytes]) -> None:
    """The same for a verb without `-o`."""
    with answering():
        _show(lambda: blocks, form, as_json)


def write(text: bytes) -> None:
    """Write text as it is to stdout."""
    with answering():
        _write(text)


def _show(blocks: Callable[[], list[Block]], form: Format, as_json: Callable[[], bytes]) -> None:
    match form:
        case Format.JSON:
            _write(as_json())
        case Format.MARKDOWN:
            from profiler.render import markdown

            _write(markdown.render_blocks(blocks()).encode())
        case Format.TABLE:
            from profiler.render import table

            table.render_blocks(blocks(), _console())


def _write(text: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text)


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
