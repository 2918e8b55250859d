"""`bottleneck simulate REQUESTS`: where queue, prefill and decode time go under several policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profiler.cli.options import OUTPUT_PANEL, DebugOption, ForceOption, Format, FormatOption

if TYPE_CHECKING:
    from profiler.report.simulation import Simulation

_COSTS, _SERVER, _GENERATED, _SLO = "What it costs", "The server", "With poisson or bursty", "What is promised"
# Repeated from `profiler.serving`, which `--help` need not import; a test keeps them equal.
_LENGTHS = "N, uniform:LOW:HIGH, exponential:MEAN or lognormal:MEDIAN:SIGMA"
_POLICIES = "serial, static, continuous, priority, shortest-first"
_MOST_REQUESTS, _MOST_LISTED = 20_000_000, 10_000
_MAX_BYTES = 1 << 30
_MOST = 1e9


def _within(least: float, most: float) -> Callable[[float | None], float | None]:
    """What is beyond is no wish but a typing error."""

    def check(value: float | None) -> float | None:
        if value is None or least <= value <= most:  # never true of NaN
            return value
        raise typer.BadParameter(f"{value:g} is not between {least:g} and {most:g}")

    return check


def _number(option: str, text: str, panel: str, metavar: str, least: float = 1e-6) -> Any:
    return typer.Option(
        option, metavar=metavar, callback=_within(least, _MOST), rich_help_panel=panel, help=text, show_default=False
    )


def _whole(option: str, text: str, panel: str, most: float = _MOST, least: float = 1) -> Any:
    return typer.Option(option, metavar="N", callback=_within(least, most), rich_help_panel=panel, help=text)


def simulate(
    requests: Annotated[
        str,
        typer.Argument(
            metavar="REQUESTS",
            show_default=False,
            help="A CSV or JSON lines file, PROMPT:OUTPUT,... in tokens, poisson or bursty.",
        ),
    ],
    prefill_tokens_per_s: Annotated[
        float | None, _number("--prefill-tokens-per-s", "Prompt tokens a second of a stream.", _COSTS, "RATE")
    ] = None,
    decode_tokens_per_s: Annotated[
        float | None, _number("--decode-tokens-per-s", "Output tokens a second of a stream.", _COSTS, "RATE")
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(
            "--costs",
            metavar="REPORT",
            show_default=False,
            rich_help_panel=_COSTS,
            help="Costs measured by `profile --sweep`, instead of constant speeds.",
        ),
    ] = None,
    fit: Annotated[
        int | None,
        _whole("--fit", "Costs fitted to the first N requests of a log with server times.", _COSTS),
    ] = None,
    weights_gb: Annotated[
        float | None, _number("--weights-gb", "Size of the weights: how fast they are read again.", _COSTS, "GB")
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
    replicas: Annotated[int, _whole("--replicas", "Servers, each with all of the below.", _SERVER, 1024)] = 1,
    slots: Annotated[int, _whole("--slots", "Most sequences of a continuous batch.", _SERVER, 1_000_000)] = 256,
    token_budget: Annotated[int, _whole("--token-budget", "Most tokens of an iteration.", _SERVER)] = 2048,
    kv_tokens: Annotated[
        int | None, _whole("--kv-tokens", "Tokens the KV cache holds. Default: no limit.", _SERVER)
    ] = None,
    batch_size: Annotated[int, _whole("--batch-size", "Size of a static batch.", _SERVER, 1_000_000)] = 8,
    batch_window_ms: Annotated[
        float, _number("--batch-window-ms", "How long a static batch waits to be filled.", _SERVER, "MS", 0)
    ] = 0.0,
    padding: Annotated[
        bool,
        typer.Option("--padding/--no-padding", rich_help_panel=_SERVER, help="Pad static prompts to the longest."),
    ] = True,
    rate: Annotated[float | None, _number("--rate", "Requests a second.", _GENERATED, "RATE")] = None,
    count: Annotated[int, _whole("--count", "How many.", _GENERATED, _MOST_REQUESTS)] = 1000,
    prompt_tokens: Annotated[
        str, typer.Option("--prompt-tokens", metavar="LENGTHS", rich_help_panel=_GENERATED, help=f"{_LENGTHS}.")
    ] = "lognormal:512:1",
    output_tokens: Annotated[
        str, typer.Option("--output-tokens", metavar="LENGTHS", rich_help_panel=_GENERATED, help="In the same way.")
    ] = "lognormal:128:0.8",
    seed: Annotated[int, _whole("--seed", "The same seed gives the same requests.", _GENERATED, least=0)] = 0,
    slo_ttft_ms: Annotated[float | None, _number("--slo-ttft-ms", "Time to the first token.", _SLO, "MS")] = None,
    slo_tpot_ms: Annotated[float | None, _number("--slo-tpot-ms", "Time per token after it.", _SLO, "MS")] = None,
    slo_e2e_ms: Annotated[float | None, _number("--slo-e2e-ms", "Time of the whole request.", _SLO, "MS")] = None,
    listed: Annotated[
        int, _whole("--list-requests", "Requests that the JSON lists.", OUTPUT_PANEL, least=0)
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

    from profiler.cli.progress import progress_on
    from profiler.errors import InterruptedByUser
    from profiler.report.simulation import Simulation
    from profiler.report.store import check_writable
    from profiler.serving.outcome import Slo
    from profiler.serving.policies import USUAL
    from profiler.serving.policies.policy import Limits
    from profiler.session.simulate import simulate as run
    from profiler.session.simulate_inputs import PROCESSES, CostSource, Generator, log_file, read_inputs

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
    generator = Generator(rate, count, prompt_tokens, output_tokens, seed)
    with progress_on(Console(stderr=True)) as progress:
        log, basis = read_inputs(requests, generator, source, policy or USUAL, limits, replicas, progress, max_bytes)
        try:
            answer = run(
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
            )
            interrupted = None
        except InterruptedByUser as interrupt:
            if not isinstance(interrupt.partial, Simulation):
                raise
            answer, interrupted = interrupt.partial, interrupt
    _emit(answer, form, output)
    if interrupted is not None:
        raise interrupted


def _emit(answer: Simulation, form: Format, output: Path | None) -> None:
    from profiler.cli.output import hand_over
    from profiler.render.simulation_blocks import simulation_blocks
    from profiler.report.simulation import encode_simulation

    hand_over(lambda: simulation_blocks(answer), form, lambda: encode_simulation(answer), output)
