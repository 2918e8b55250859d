"""`bottleneck show REPORT`: render a stored report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from profiler.cli.options import DebugOption, ForceOption, Format, FormatOption, RenderedOutputOption


def show(
    report: Annotated[Path, typer.Argument(metavar="REPORT", show_default=False, help="What `-o` wrote.")],
    form: FormatOption = Format.TABLE,
    output: RenderedOutputOption = None,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a report that was kept with `-o`.

    [bold]Examples[/bold]

      bottleneck show report.json

      bottleneck show report.json --format markdown -o report.md
    """
    from profiler.cli.output import emit_report, report_bytes
    from profiler.report.store import check_writable, load_report, write_atomically

    if output is not None:
        check_writable(output, force=force, source=report)
    loaded = load_report(report)
    if output is None:
        emit_report(loaded, form)
    else:
        write_atomically(output, report_bytes(loaded, form))
