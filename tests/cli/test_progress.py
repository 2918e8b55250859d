"""Progress: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import io
from itertools import count

from rich.console import Console

from profiler.cli.progress import progress_on


def test_a_log_gets_one_line_a_stage_with_the_seconds_since_the_start() -> None:
    text, seconds = io.StringIO(), count(100.0, 1.5)
    with progress_on(Console(file=text, width=40), clock=lambda: next(seconds)) as progress:
        progress.stage("building the model", total=10)
        progress.advance(3)
        progress.note("a note [with brackets] that is longer than the terminal is wide")
    assert text.getvalue() == (
        "[   1.5 s] building the model\n[   3.0 s] a note [with brackets] that is longer than the terminal is wide\n"
    )


def test_a_terminal_gets_a_bar_that_is_gone_in_the_end() -> None:
    text = io.StringIO()
    with progress_on(Console(file=text, force_terminal=True, width=80)) as progress:
        progress.advance()
        progress.stage("first", total=4)
        progress.advance(4)
        progress.note("seen on the way")
        progress.stage("second [stage]")
    assert "second [stage]" in text.getvalue()
    assert "seen on the way" in text.getvalue()
    assert text.getvalue().rstrip().endswith("\x1b[2K")


def test_a_stage_says_how_long_it_will_take_where_that_is_known() -> None:
    log, terminal = io.StringIO(), io.StringIO()
    with progress_on(Console(file=log, width=80), clock=lambda: 0.0) as progress:
        progress.stage("decode: measuring", 20, seconds=6.2)
        progress.stage("decode: telemetry", seconds=0.4)
        progress.stage("decode: tracing")
    assert [line.partition("] ")[2] for line in log.getvalue().splitlines()] == [
        "decode: measuring, about 6 s",
        "decode: telemetry, less than a second",
        "decode: tracing",
    ]
    with progress_on(Console(file=terminal, force_terminal=True, width=100)) as progress:
        progress.stage("decode: measuring", 20, seconds=6.2)
    assert "decode: measuring, about 6 s" in terminal.getvalue()
