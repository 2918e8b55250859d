"""`bottleneck compare A B`: what changed between kept results, and which cause changed it."""

import math
from pathlib import Path
from typing import Annotated

import typer

from profiler.cli.completion import reports
from profiler.cli.options import OUTPUT_PANEL, DebugOption, Format, FormatOption
from profiler.errors import UsageError

_VS = "vs"
_EXAMPLE = "bottleneck compare before.json after.json, or several: bottleneck compare main-*.json vs branch-*.json"
_MOST_MARGIN = 100.0


def _margin(value: float) -> float:
    if math.isfinite(value) and 0 <= value <= _MOST_MARGIN:
        return value
    raise typer.BadParameter(f"{value:g} is no margin from 0 to {_MOST_MARGIN:g} percent")


def compare(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="A B",
            show_default=False,
            autocompletion=reports,
            help="Two results that were kept with -o; of several, A... vs B...: files, folders or patterns.",
        ),
    ],
    margin: Annotated[
        float,
        typer.Option(
            "--margin", metavar="PERCENT", callback=_margin, help="What lies surely within this is called unchanged."
        ),
    ] = 3.0,
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON too."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Compare what is not alike, too (device, model, dtype, sizes); replace FILE."),
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Say what changed in time from A to B, how sure that is, and which cause changed it.

    Several results a side, each from a process of its own and best taken in turn (A B A B), show how far runs differ:
    fewer than three a side rest on what one process can know of another.

    [bold]Examples[/bold]

      bottleneck compare before.json after.json

      bottleneck compare main-*.json vs branch-*.json

      bottleneck compare eager.json graph.json
    """
    from profiler import __version__
    from profiler.cli.output import hand_over
    from profiler.compare.results import compare_results
    from profiler.render.change_blocks import change_blocks
    from profiler.report.comparison import encode_change
    from profiler.report.store import check_writable
    from profiler.session.result_files import load_results, result_paths

    before, after = _sides(results)
    if output is not None:
        for source in result_paths([*before, *after]):
            check_writable(output, force=force, source=source)
    (old, lost), (new, lost_too) = load_results(before), load_results(after)
    answer = compare_results(
        old, new, margin=margin / 100, force=force, tool_version=__version__, unread=[*lost, *lost_too]
    )
    hand_over(lambda: change_blocks(answer), form, lambda: encode_change(answer), output)


def _sides(names: list[str]) -> tuple[list[str], list[str]]:
    """What stands before `vs`, and what after it; without it, two names."""
    if names.count(_VS) == 1:
        at = names.index(_VS)
        before, after = names[:at], names[at + 1 :]
    elif _VS not in names and len(names) == 2:
        before, after = names[:1], names[1:]
    else:
        unclear = f"nothing tells which of {len(names)} names stand before and which after"
        one = "a comparison takes two sides, here is one"
        raise UsageError("vs stands more than once" if _VS in names else unclear if names[1:] else one, _EXAMPLE)
    if not before or not after:
        raise UsageError(f"nothing stands {'before' if not before else 'after'} vs", _EXAMPLE)
    return before, after
