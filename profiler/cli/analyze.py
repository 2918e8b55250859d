"""`bottleneck analyze TRACE...`: judge PyTorch profiler traces from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.options import OUTPUT_PANEL, DebugOption, ForceOption, Format, FormatOption

if TYPE_CHECKING:
    from profiler.report.analysis import Analysis

# Repeated from `profiler.trace.trace_file`, which `--help` need not import.
_MAX_BYTES = 8 << 30


def analyze(
    traces: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACE...",
            show_default=False,
            help="Files (.json, .json.gz, .tar.gz), folders, patterns, or - for stdin.",
        ),
    ],
    ceilings: Annotated[
        Path | None,
        typer.Option(
            "--ceilings",
            metavar="REPORT",
            show_default=False,
            help="Ceilings measured on such a device: what `profile -o` wrote. Else its datasheet's.",
        ),
    ] = None,
    parts_only: Annotated[
        bool, typer.Option("--parts-only", help="Busy, idle, overlap and kernel families: faster, and no verdict.")
    ] = False,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="BYTES", min=1, help="The longest text of a trace to unpack.")
    ] = _MAX_BYTES,
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON too."),
    ] = None,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Judge traces of torch.profiler from anywhere: where their time went, and what holds them back.

    One file is one rank. What cannot be read is named, and the rest analysed.

    [bold]Examples[/bold]

      bottleneck analyze trace.json.gz

      bottleneck analyze traces/ --format json -o analysis.json
    """
    from rich.console import Console

    from profiler.cli.progress import progress_on
    from profiler.errors import InterruptedByUser
    from profiler.report.analysis import Analysis
    from profiler.report.store import check_writable, load_report
    from profiler.session.analyze import analyze as analyze_traces

    if output is not None:
        for source in (ceilings, *map(Path, traces)):
            check_writable(output, force=force, source=source)
    measured = None if ceilings is None else load_report(ceilings).ceilings
    with progress_on(Console(stderr=True)) as progress:
        try:
            answer = analyze_traces(
                *traces, ceilings=measured, parts_only=parts_only, max_bytes=max_bytes, progress=progress
            )
            interrupted = None
        except InterruptedByUser as interrupt:
            if not isinstance(interrupt.partial, Analysis):
                raise
            answer, interrupted = interrupt.partial, interrupt
    _emit(answer, form, output)
    if interrupted is not None:
        raise interrupted


def _emit(answer: Analysis, form: Format, output: Path | None) -> None:
    from profiler.cli.output import emit_blocks
    from profiler.render.analysis_blocks import analysis_blocks
    from profiler.report.analysis import encode_analysis
    from profiler.report.store import write_atomically

    if output is not None:
        write_atomically(output, encode_analysis(answer))
    emit_blocks(analysis_blocks(answer), form, lambda: encode_analysis(answer))
