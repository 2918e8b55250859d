"""`bottleneck show REPORT`: render what a verb kept again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.completion import reports
from profiler.cli.formats import ShowFormat
from profiler.cli.options import (
    OUTPUT_PANEL,
    DebugOption,
    DetailsOption,
    ForceOption,
    Format,
    RenderedOutputOption,
)

if TYPE_CHECKING:
    from profiler.report.kinds import Result


def show(
    report: Annotated[
        Path,
        typer.Argument(metavar="REPORT", show_default=False, autocompletion=reports, help="What `-o` wrote."),
    ],
    form: Annotated[
        ShowFormat,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="table, json, markdown, html, github (for a job of Actions) or perfetto.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = ShowFormat.TABLE,
    trace: Annotated[
        str | None,
        typer.Option(
            "--trace",
            metavar="TRACE",
            show_default=False,
            help="For perfetto: what `--trace-out` wrote, or was analysed. A file, folder or archive.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    output: RenderedOutputOption = None,
    details: DetailsOption = False,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what any verb kept with `-o`: of profile, whatif, analyze, simulate or endpoint.

    A trace for Perfetto (https://ui.perfetto.dev) has the verdict, the parts and what was sampled as tracks above its
    events, and can be analysed again.

    [bold]Examples[/bold]

      bottleneck show report.json

      bottleneck show report.json --details

      bottleneck show report.json --format markdown -o report.md

      bottleneck show report.json --format html -o report.html

      bottleneck show analysis.json --format perfetto --trace trace.json.gz -o trace.pftrace
    """
    from profiler.errors import UsageError
    from profiler.report.kinds import load_result
    from profiler.report.store import check_writable

    if output is not None:
        check_writable(output, force=force, source=report)
    if form is ShowFormat.PERFETTO:
        if trace is None or output is None:
            missing = "a trace for Perfetto is a file, made of the trace that was judged"
            raise UsageError(missing, f"--trace trace.json.gz -o {report.with_suffix('').name}.pftrace")
        _write_for_perfetto(load_result(report), trace, output, force=force)
        return
    if trace is not None:
        raise UsageError("--trace is for Perfetto alone", "--format perfetto, or no --trace")
    if form is ShowFormat.HTML and output is None and sys.stdout.isatty():
        raise UsageError("a page for a browser is nothing for a terminal", "-o report.html")
    _show(load_result(report), form, report, output, details=details)


def _show(result: Result, form: ShowFormat, report: Path, output: Path | None, *, details: bool) -> None:
    from profiler.cli.output import emit_result, result_bytes, write
    from profiler.report.store import write_atomically

    if output is not None:
        write_atomically(output, result_bytes(result, form))
    elif form is ShowFormat.HTML:
        write(result_bytes(result, form))
    elif form is ShowFormat.GITHUB:
        from profiler.cli.github_job import emit_to_github
        from profiler.render.result_annotations import result_annotations
        from profiler.render.result_blocks import result_blocks

        blocks = result_blocks(result)
        emit_to_github(result_annotations(result, blocks, report.name), blocks)
    else:
        emit_result(result, Format(form.value), details=details, kept=report)


def _write_for_perfetto(result: Result, trace: str, output: Path, *, force: bool) -> None:
    from profiler.cli.progress import progress_on_stderr
    from profiler.report.store import check_writable
    from profiler.session.perfetto import write_perfetto
    from profiler.session.trace_inputs import named_files

    for source in named_files([trace]):
        check_writable(output, force=force, source=source)
    with progress_on_stderr() as progress:
        write_perfetto(result, trace, output, progress)
