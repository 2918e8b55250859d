"""`bottleneck show REPORT`: render what a verb kept again."""

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
            help="For perfetto: take along what `--trace-out` wrote, or was analysed. A file, folder or archive.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    output: RenderedOutputOption = None,
    details: DetailsOption = False,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what any verb kept with `-o`: profile, whatif, analyze, simulate, endpoint, check, compare or history.

    For Perfetto (https://ui.perfetto.dev), the steps that a profile keeps are drawn, and the requests of a simulation
    or a live server. With `--trace` the events of a profile's or an analysis's whole trace are taken along, below the
    verdict, the parts and what was sampled, and can be analysed again.

    [bold]Examples[/bold]

      bottleneck show report.json

      bottleneck show report.json --details

      bottleneck show report.json --format markdown -o report.md

      bottleneck show report.json --format html -o report.html

      bottleneck show report.json --format perfetto -o report.pftrace

      bottleneck show analysis.json --format perfetto --trace trace.json.gz -o trace.pftrace
    """
    from profiler.errors import UsageError
    from profiler.report.kinds import load_result
    from profiler.report.store import check_writable

    if output is not None:
        check_writable(output, force=force, source=report)
    if form is ShowFormat.PERFETTO:
        if output is None:
            missing = "what is for Perfetto is a file"
            raise UsageError(missing, f"-o {report.with_suffix('').name}.pftrace")
        _write_for_perfetto(load_result(report), trace, output, force=force)
        return
    if trace is not None:
        raise UsageError("--trace is for Perfetto alone", "--format perfetto, or no --trace")
    if form is ShowFormat.HTML and output is None and sys.stdout.isatty():
        raise UsageError("a page for a browser is nothing for a terminal", "-o report.html")
    _show(load_result(report), form, report, output, details=details)


def _show(result: "Result", form: ShowFormat, report: Path, output: Path | None, *, details: bool) -> None:
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


def _write_for_perfetto(result: "Result", trace: str | None, output: Path, *, force: bool) -> None:
    if trace is None:
        from profiler.render.perfetto import PerfettoFile
        from profiler.render.perfetto_kept import write_kept
        from profiler.report.atomic_file import replacing

        with replacing(output) as file:
            write_kept(PerfettoFile(file), result)
        return

    from profiler.cli.progress import progress_on_stderr
    from profiler.report.store import check_writable
    from profiler.session.perfetto import write_perfetto
    from profiler.session.trace_inputs import named_files

    for source in named_files([trace]):
        check_writable(output, force=force, source=source)
    with progress_on_stderr() as progress:
        write_perfetto(result, trace, output, progress)
