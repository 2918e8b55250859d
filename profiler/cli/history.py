"""`bottleneck history DIR`: kept results over time."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from profiler.cli.completion import reports
from profiler.cli.options import OUTPUT_PANEL, DebugOption, ForceOption, Format, FormatOption


def history(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR",
            show_default=False,
            autocompletion=reports,
            help="Folders, files or patterns of what -o kept.",
        ),
    ],
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON too."),
    ] = None,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Show many kept results over time, and mark where a time changed for good.

    Results are grouped by what makes them comparable: kind, device, model, dtype, mode and sizes.

    [bold]Examples[/bold]

      bottleneck history reports/

      bottleneck history 'reports/2026-*.json' --format markdown
    """
    from profiler import __version__
    from profiler.cli.output import hand_over
    from profiler.compare.history import history_of
    from profiler.render.history_blocks import history_blocks
    from profiler.report.comparison import Unread
    from profiler.report.history import encode_history
    from profiler.report.store import check_writable
    from profiler.session.result_files import each_result, nothing_read, result_paths

    if output is not None:
        for source in result_paths(results):
            check_writable(output, force=force, source=source)
    unread: list[Unread] = []
    named = each_result(results, unread)
    first = next(named, None)
    if first is None:
        raise nothing_read(results, unread)
    answer = history_of(chain([first], named), unread, __version__)
    hand_over(lambda: history_blocks(answer), form, lambda: encode_history(answer), output)
