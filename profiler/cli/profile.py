"""`bottleneck profile MODEL`: measure and judge."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from profiler.cli.boundary import typed_command
from profiler.cli.choices import Attention, DType, Mode, Offload, Weights
from profiler.cli.completion import models
from profiler.cli.options import (
    OUTPUT_PANEL,
    RUN_PANEL,
    DebugOption,
    DetailsOption,
    DeviceOption,
    ForceOption,
    Format,
    FormatOption,
)
from profiler.errors import BottleneckError, UsageError
from profiler.workload.effort import NEW_TOKENS

_MODEL, _WORK, _SWEEP = "The model", "The request", "Costs for simulate"


def _sizes(option: str, text: str, usual: str) -> Any:
    return typer.Option(option, metavar="N,...", rich_help_panel=_SWEEP, help=text, show_default=usual)


def _whole_numbers(option: str, text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text} is no list of sizes", f"{option} 1,8,32") from None


def profile(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            autocompletion=models,
            help="A preset (`bottleneck models` lists them), a hub id, a checkpoint folder, or package.module:factory.",
        ),
    ],
    weights: Annotated[
        Weights,
        typer.Option(
            "--weights",
            metavar="KIND",
            rich_help_panel=_MODEL,
            help="auto, pretrained or random. random makes them on the device, without a download: the times are the "
            "same (but for the routing of experts), the text is not. auto takes pretrained ones where MODEL has any.",
        ),
    ] = Weights.AUTO,
    dtype: Annotated[
        DType,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            rich_help_panel=_MODEL,
            help="auto, bfloat16, float16 or float32; auto takes what suits model and device.",
        ),
    ] = DType.AUTO,
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", rich_help_panel=_MODEL, help="Run the Python code that MODEL brings."),
    ] = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", min=1, rich_help_panel=_WORK, help="Sequences at once.")
    ] = 1,
    prompt_tokens: Annotated[
        int, typer.Option("--prompt-tokens", metavar="N", min=1, rich_help_panel=_WORK, help="Length of the prompt.")
    ] = 512,
    new_tokens: Annotated[
        int | None,
        typer.Option(
            "--new-tokens",
            metavar="N",
            min=2,
            rich_help_panel=_WORK,
            help="Tokens to generate; the first comes from the prefill.",
            show_default=f"{NEW_TOKENS['standard']}; {NEW_TOKENS['quick']} with --quick",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, rich_help_panel=_WORK, help="Of weights and prompt.")
    ] = 0,
    device: DeviceOption = "auto",
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode",
            metavar="MODE",
            rich_help_panel=RUN_PANEL,
            help="eager launches op by op, compile is torch.compile, graph replays a captured decode step, paged runs "
            "the iterations of transformers' continuous batching.",
        ),
    ] = Mode.EAGER,
    attention: Annotated[
        Attention,
        typer.Option(
            "--attention",
            metavar="KIND",
            rich_help_panel=RUN_PANEL,
            help="auto (the model's own choice), eager, sdpa, or one backend of sdpa: flash, efficient, cudnn, math.",
        ),
    ] = Attention.AUTO,
    offload: Annotated[
        Offload,
        typer.Option(
            "--offload",
            metavar="WHERE",
            rich_help_panel=RUN_PANEL,
            help="none or cpu; cpu streams the weights from the host's memory.",
        ),
    ] = Offload.NONE,
    quick: Annotated[
        bool, typer.Option("--quick", rich_help_panel=RUN_PANEL, help="Fewer repeats: wider intervals, sooner done.")
    ] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", rich_help_panel=RUN_PANEL, help="More repeats: narrower intervals.")
    ] = False,
    counters: Annotated[
        bool,
        typer.Option(
            "--counters",
            rich_help_panel=RUN_PANEL,
            help="Count what kernels move, and how busy they keep the SMs: hardware counters, where they may be read.",
        ),
    ] = False,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep",
            rich_help_panel=_SWEEP,
            help="Time prefill and decode over batch sizes and lengths, too: the costs that `simulate --costs` reads.",
        ),
    ] = False,
    sweep_batches: Annotated[
        str | None, _sizes("--sweep-batches", "Batch sizes to sweep, such as 1,8,32.", "1 to 64, as they fit")
    ] = None,
    sweep_lengths: Annotated[
        str | None,
        _sizes(
            "--sweep-lengths",
            "Prompts and contexts to sweep, such as 128,1024,4096.",
            "32 to 8192, as the model reaches",
        ),
    ] = None,
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON report too."),
    ] = None,
    trace_out: Annotated[
        Path | None,
        typer.Option(
            "--trace-out",
            metavar="FILE",
            rich_help_panel=OUTPUT_PANEL,
            help="Keep the trace (.json or .json.gz), for Perfetto or chrome://tracing.",
        ),
    ] = None,
    details: DetailsOption = False,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Run MODEL's prefill and decode, and say what holds each of them back.

    It names the bottleneck (memory, compute, io or scheduling), where the time goes, and what a change would gain.

    [bold]Examples[/bold]

      bottleneck profile tiny

      bottleneck profile llama-3.1-8b --weights random

      bottleneck profile ./my-checkpoint --batch-size 16 -o report.json

      bottleneck profile llama-3.1-8b --mode graph --prompt-tokens 8192

      bottleneck profile llama-3.1-8b --sweep -o report.json
    """
    from profiler.session.request import ProfileRequest

    if quick and thorough:
        raise UsageError("--quick and --thorough exclude each other", "drop one of the two")
    effort = "quick" if quick else "thorough" if thorough else "standard"
    request = ProfileRequest(
        model=model,
        weights=weights.value,
        device=device,
        dtype=dtype.value,
        batch_size=batch_size,
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens or NEW_TOKENS[effort],
        mode=mode.value,
        attention=attention.value,
        offload=offload.value,
        seed=seed,
        effort=effort,
        trust_remote_code=trust_remote_code,
        counters=counters,
        trace_out=trace_out,
        command=typed_command(ctx),
        sweep=sweep,
        sweep_batches=_whole_numbers("--sweep-batches", sweep_batches),
        sweep_lengths=_whole_numbers("--sweep-lengths", sweep_lengths),
    )
    _check_outputs(output, trace_out, force=force)
    _check_model(model)  # a name that was mistyped is told before seconds of imports

    from rich.console import Console

    from profiler.cli.output import emit_result
    from profiler.cli.progress import progress_on
    from profiler.session.profile import profile_model

    try:
        # Libraries that print must not spoil the result on stdout.
        with progress_on(Console(stderr=True)) as progress, redirect_stdout(sys.stderr):
            report = profile_model(request, progress=progress)
    except BottleneckError as failure:
        _hand_over_partial(failure, form, output, details=details)
        raise
    emit_result(report, form, output, details=details, kept=output)


def _check_outputs(output: Path | None, trace_out: Path | None, *, force: bool) -> None:
    if output is not None and output == trace_out:
        raise UsageError(f"-o and --trace-out both name {output}", "give each a file of its own")
    if output is None and trace_out is None:
        return
    from profiler.report.store import check_writable

    for path in (output, trace_out):
        if path is not None:
            check_writable(path, force=force)


def _check_model(model: str) -> None:
    from profiler.workload.source import resolve

    resolve(model)


def _hand_over_partial(failure: BottleneckError, form: Format, output: Path | None, *, details: bool) -> None:
    from profiler.cli.output import emit_result
    from profiler.report.records import Report

    if isinstance(failure.partial, Report):
        emit_result(failure.partial, form, output, details=details, kept=output)
