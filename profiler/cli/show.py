"""`bottleneck show REPORT`: render what a verb kept again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from profiler.cli.completion import reports
from profiler.cli.options import DebugOption, DetailsOption, ForceOption, Format, FormatOption, RenderedOutputOption


def show(
    report: Annotated[
        Path,
        typer.Argument(metavar="REPORT", show_default=False, autocompletion=reports, help="What `-o` wrote."),
    ],
    form: FormatOption = Format.TABLE,
    output: RenderedOutputOption = None,
    details: DetailsOption = False,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what any verb kept with `-o`: of profile, whatif, analyze, simulate or endpoint.

    [bold]Examples[/bold]

      bottleneck show report.json

      bottleneck show report.json --details

      bottleneck show report.json --format markdown -o report.md
    """
    from profiler.cli.output import emit_result, result_bytes
    from profiler.report.kinds import load_result
    from profiler.report.store import check_writable, write_atomically

    if output is not None:
        check_writable(output, force=force, source=report)
    loaded = load_result(report)
    if output is None:
        emit_result(loaded, form, details=details, kept=report)
    else:
        write_atomically(output, result_bytes(loaded, form))
