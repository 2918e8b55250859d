"""`bottleneck simulate REQUESTS`: where queue, prefill and decode time go under several policies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.completion import reports
from profiler.cli.load_options import (
    GENERATED,
    OutputTokensOption,
    PromptTokensOption,
    SeedOption,
    SloE2eOption,
    SloTpotOption,
    SloTtftOption,
    check_requests,
    count_option,
    number,
    number_wanted,
    whole,
)
from profiler.cli.options import OUTPUT_PANEL, DebugOption, ForceOption, Format, FormatOption

if TYPE_CHECKING:
    from profiler.report.simulation import Simulation

_COSTS, _SERVER = "What it costs", "The server"
# Repeated from `profiler.serving`, which `--help` need not import; a test keeps them equal.
_POLICIES = "serial, static, continuous, priority, shortest-first"
_MOST_REQUESTS, _MOST_LISTED = 20_000_000, 10_000
_COUNT = 1000
_MAX_BYTES = 1 << 30


def simulate(
    context: typer.Context,
    requests: Annotated[
        str,
        typer.Argument(
            metavar="REQUESTS",
            show_default=False,
            help="A CSV or JSON lines file, - for stdin, PROMPT:OUTPUT,... in tokens, poisson or bursty.",
        ),
    ],
    prefill_tokens_per_s: Annotated[
        float | None, number("--prefill-tokens-per-s", "Prompt tokens a second of a stream.", _COSTS, "RATE")
    ] = None,
    decode_tokens_per_s: Annotated[
        float | None, number("--decode-tokens-per-s", "Output tokens a second of a stream.", _COSTS, "RATE")
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(
            "--costs",
            metavar="REPORT",
            show_default=False,
            autocompletion=reports,
            rich_help_panel=_COSTS,
            help="Costs measured by `profile --sweep`, instead of constant speeds.",
        ),
    ] = None,
    fit: Annotated[
        int | None,
        whole("--fit", "Costs fitted to the first N requests of a log with server times.", _COSTS),
    ] = None,
    weights_gb: Annotated[
        float | None, number("--weights-gb", "Size of the weights: how fast they are read again.", _COSTS, "GB")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME",
            show_default=False,
            rich_help_panel=_SERVER,
            help=f"Again for more: {_POLICIES}. Default: the first three.",
        ),
    ] = None,
    replicas: Annotated[int, whole("--replicas", "Servers, each with all of the below.", _SERVER, 1024)] = 1,
    slots: Annotated[int, whole("--slots", "Most sequences of a continuous batch.", _SERVER, 1_000_000)] = 256,
    token_budget: Annotated[int, whole("--token-budget", "Most tokens of an iteration.", _SERVER)] = 2048,
    kv_tokens: Annotated[
        int | None, whole("--kv-tokens", "Tokens the KV cache holds. Default: no limit.", _SERVER)
    ] = None,
    batch_size: Annotated[int, whole("--batch-size", "Size of a static batch.", _SERVER, 1_000_000)] = 8,
    batch_window_ms: Annotated[
        float, number("--batch-window-ms", "How long a static batch waits to be filled.", _SERVER, "MS", 0)
    ] = 0.0,
    padding: Annotated[
        bool,
        typer.Option("--padding/--no-padding", rich_help_panel=_SERVER, help="Pad static prompts to the longest."),
    ] = True,
    rate: Annotated[float | None, number("--rate", "Requests a second.", GENERATED, "RATE")] = None,
    count: Annotated[int | None, count_option(_COUNT, _MOST_REQUESTS)] = None,
    prompt_tokens: PromptTokensOption = "lognormal:512:1",
    output_tokens: OutputTokensOption = "lognormal:128:0.8",
    seed: SeedOption = 0,
    slo_ttft_ms: SloTtftOption = None,
    slo_tpot_ms: SloTpotOption = None,
    slo_e2e_ms: SloE2eOption = None,
    listed: Annotated[
        int, whole("--list-requests", "Requests that the JSON lists.", OUTPUT_PANEL, least=0)
    ] = _MOST_LISTED,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="BYTES", min=1, help="The longest text of a log to read or unpack.")
    ] = _MAX_BYTES,
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON too."),
    ] = None,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Serve a log of requests under several policies: queue, prefill, decode, holes, and what load each carries.

    [bold]Examples[/bold]

      bottleneck simulate 500:100,1000:100,1000:300,4000:700 --prefill-tokens-per-s 20000 --decode-tokens-per-s 50

      bottleneck simulate requests.csv --costs report.json --slo-ttft-ms 500

      bottleneck simulate poisson --rate 8 --costs report.json --policy continuous --replicas 2
    """
    from rich.console import Console

    from profiler.cli.interrupts import whole_or_partial
    from profiler.cli.progress import progress_on
    from profiler.report.simulation import Simulation
    from profiler.report.store import check_writable
    from profiler.serving.outcome import Slo
    from profiler.serving.policies import USUAL
    from profiler.serving.policies.policy import Limits
    from profiler.session.simulate import simulate as run
    from profiler.session.simulate_inputs import PROCESSES, CostSource, Generator, log_file, read_inputs

    check_requests(context, requests, "prompt_tokens", "output_tokens", "seed")
    if output is not None:
        for read in (costs, log_file(requests)):
            check_writable(output, force=force, source=read)
    limits = Limits(
        slots=slots,
        token_budget=token_budget,
        kv_tokens=kv_tokens,
        batch_size=batch_size,
        window_ns=round(batch_window_ms * 1e6),
        padded=padding,
    )
    weight_bytes = None if weights_gb is None else round(weights_gb * 1e9)
    source = CostSource(prefill_tokens_per_s, decode_tokens_per_s, costs, fit, weight_bytes)
    generator = Generator(rate, number_wanted(requests, count, _COUNT), prompt_tokens, output_tokens, seed)
    with progress_on(Console(stderr=True)) as progress:
        log, basis = read_inputs(requests, generator, source, policy or USUAL, limits, replicas, progress, max_bytes)
        answer, interrupted = whole_or_partial(
            lambda: run(
                log,
                basis,
                name=requests,
                policies=policy or USUAL,
                limits=limits,
                replicas=replicas,
                slo=Slo(slo_ttft_ms, slo_tpot_ms, slo_e2e_ms),
                seed=seed if requests in PROCESSES else None,
                most_listed=listed,
                progress=progress,
            ),
            Simulation,
        )
    _emit(answer, form, output)
    if interrupted is not None:
        raise interrupted


def _emit(answer: "Simulation", form: Format, output: Path | None) -> None:
    from profiler.cli.output import hand_over
    from profiler.render.simulation_blocks import simulation_blocks
    from profiler.report.simulation import encode_simulation

    hand_over(lambda: simulation_blocks(answer), form, lambda: encode_simulation(answer), output)
