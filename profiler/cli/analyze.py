"""`bottleneck analyze TRACE...`: judge PyTorch profiler traces from anywhere."""

from pathlib import Path
from typing import Annotated

import typer

from profiler.cli.completion import datasheets, reports
from profiler.cli.options import OUTPUT_PANEL, DebugOption, ForceOption, Format, FormatOption

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
            autocompletion=reports,
            help="Ceilings measured on such a device: what `profile -o` wrote. Else its datasheet's.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="NAME",
            show_default=False,
            autocompletion=datasheets,
            help="The device of a trace that does not name it, such as mi300x.",
        ),
    ] = None,
    parts_only: Annotated[
        bool, typer.Option("--parts-only", help="Busy, idle, overlap and kernel families: faster, and no verdict.")
    ] = False,
    step: Annotated[
        str | None,
        typer.Option(
            "--step", metavar="N|A-B", show_default=False, help="Only these of the steps that are found, from 0 on."
        ),
    ] = None,
    from_time: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            show_default=False,
            help="Only from here on: 300ms or 1.5s after the first start on the GPU; a bare number is ms.",
        ),
    ] = None,
    to_time: Annotated[
        str | None, typer.Option("--to", metavar="TIME", show_default=False, help="Only up to here, as in --from.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="BASELINE",
            show_default=False,
            help="Say what changed from this trace, or folder or archive of ranks, to TRACE.",
        ),
    ] = None,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="BYTES", min=1, help="The longest text of a trace to unpack.")
    ] = _MAX_BYTES,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            metavar="N",
            min=1,
            show_default=False,
            help="How many traces to read at once. Else one a core, where there is enough to read.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            show_default=False,
            help="Read them on a Ray cluster that runs: HOST:PORT, or auto for the one that this machine is in.",
        ),
    ] = None,
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON too."),
    ] = None,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Judge torch.profiler's traces from anywhere: where time went, what the GPU waited for, what holds them back.

    One file is one rank. What cannot be read is named, and the rest analysed.

    Recorded with_stack=True, a trace tells which Python functions cost the GPU time.

    [bold]Examples[/bold]

      bottleneck analyze trace.json.gz

      bottleneck analyze trace.json.gz --step 3-7

      bottleneck analyze traces/ --format json -o analysis.json

      bottleneck analyze after.json.gz --against before.json.gz
    """
    from functools import partial

    from profiler.cli.analysis import analyze_and_show
    from profiler.cli.comparison import compare_and_show
    from profiler.cli.narrowing import narrowing

    part = narrowing(step, from_time, to_time)
    named = None
    if device is not None:
        from profiler.cli.datasheets import datasheet

        named = datasheet(device)
    measured = None
    if output is not None or ceilings is not None:
        from profiler.report.store import check_writable, load_report

        if output is not None:
            from profiler.session.trace_inputs import named_files

            for source in (ceilings, *named_files([*traces, against or ""])):
                check_writable(output, force=force, source=source)
        measured = None if ceilings is None else load_report(ceilings).ceilings
    show = analyze_and_show if against is None else partial(compare_and_show, [against])
    show(
        traces,
        form,
        output,
        ceilings=measured,
        device=named,
        parts_only=parts_only,
        narrowing=part,
        max_bytes=max_bytes,
        jobs=jobs,
        ray=ray,
    )
