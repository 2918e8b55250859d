"""`bottleneck endpoint URL`: load a live server and say where its requests' time goes."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.load_options import (
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
    from profiler.report.endpoint import Endpoint

_SERVER, _LOAD = "The server", "The load"
_MOST_LISTED, _MOST_REQUESTS = 10_000, 1_000_000
_COUNT = 100
# Repeated from `profiler.serving.text_lines`, which `--help` need not import; a test keeps them equal.
_MAX_BYTES = 1 << 30
# From `profiler.session.endpoint`, in the same way.
_FEWEST_IN_A_STEP = 20


class Api(StrEnum):
    """Which of OpenAI's APIs."""

    AUTO = "auto"
    COMPLETIONS = "completions"
    CHAT = "chat"


def endpoint(
    context: typer.Context,
    url: Annotated[
        str, typer.Argument(metavar="URL", show_default=False, help="Of a server, such as http://localhost:8000.")
    ],
    requests: Annotated[
        str,
        typer.Option(
            "--requests",
            metavar="REQUESTS",
            rich_help_panel=_LOAD,
            help="A CSV or JSON lines log, - for stdin, PROMPT:OUTPUT,... in tokens, poisson or bursty.",
        ),
    ] = "poisson",
    rate: Annotated[
        float | None, number("--rate", "Requests a second, whether or not those before ended.", _LOAD, "RATE")
    ] = None,
    concurrency: Annotated[
        int | None, whole("--concurrency", "Instead: so many at once, the next when one ends.", _LOAD, 100_000)
    ] = None,
    max_concurrency: Annotated[
        int | None, whole("--max-concurrency", "With --rate: no more than these at once.", _LOAD, 100_000)
    ] = None,
    knee: Annotated[
        bool,
        typer.Option("--knee", rich_help_panel=_LOAD, help="Raise the rate until goodput falls; say what saturates."),
    ] = False,
    step_s: Annotated[
        float,
        number(
            "--step-s",
            f"With --knee: how long each rate is held, and longer until {_FEWEST_IN_A_STEP} requests have come.",
            _LOAD,
            "SECONDS",
        ),
    ] = 10.0,
    count: Annotated[int | None, count_option(_COUNT, _MOST_REQUESTS)] = None,
    prompt_tokens: PromptTokensOption = "lognormal:512:1",
    output_tokens: OutputTokensOption = "lognormal:128:0.8",
    seed: SeedOption = 0,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", show_default=False, rich_help_panel=_SERVER, help="If it has several."),
    ] = None,
    api: Annotated[
        Api, typer.Option("--api", metavar="API", rich_help_panel=_SERVER, help="completions, chat, or what answers.")
    ] = Api.AUTO,
    key_env: Annotated[
        str | None,
        typer.Option(
            "--key-env",
            metavar="VARIABLE",
            show_default=False,
            rich_help_panel=_SERVER,
            help="Environment variable with the API key. Default: OPENAI_API_KEY, if it is set.",
        ),
    ] = None,
    timeout_s: Annotated[float, number("--timeout-s", "Give a request up after that.", _SERVER, "SECONDS")] = 600.0,
    baseline: Annotated[
        int, whole("--baseline", "Requests sent alone first, to know the idle server.", _SERVER, 1000)
    ] = 8,
    costs: Annotated[
        Path | None,
        typer.Option(
            "--costs",
            metavar="REPORT",
            show_default=False,
            rich_help_panel=_SERVER,
            help="A report of the model by `profile`: what holds its prefill and decode back.",
        ),
    ] = None,
    gpu: Annotated[
        bool,
        typer.Option(
            "--gpu",
            rich_help_panel=_SERVER,
            help="Sample this machine's GPU under the load: what holds prefill or decode back.",
        ),
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            metavar="FOLDER",
            show_default=False,
            rich_help_panel=_SERVER,
            help="Then start the engine's own profiler (vLLM, SGLang) for a stretch of the same load, and analyze what "
            "it writes into FOLDER. vLLM has to be started with --profiler-config for that folder.",
        ),
    ] = None,
    slo_ttft_ms: SloTtftOption = None,
    slo_tpot_ms: SloTpotOption = None,
    slo_e2e_ms: SloE2eOption = None,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="BYTES", min=1, help="The longest text of a log to read or unpack.")
    ] = _MAX_BYTES,
    listed: Annotated[
        int, whole("--list-requests", "Requests that the JSON lists.", OUTPUT_PANEL, least=0)
    ] = _MOST_LISTED,
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON too."),
    ] = None,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Load a live OpenAI-compatible server, and split its latency into queue, network, prefill and decode.

    [bold]Examples[/bold]

      bottleneck endpoint http://localhost:8000 --rate 4 --count 200

      bottleneck endpoint http://localhost:8000 --concurrency 16 --requests requests.csv -o endpoint.json

      bottleneck endpoint http://localhost:8000 --concurrency 16 --gpu --trace /tmp/traces

      bottleneck endpoint https://api.example.com/v1 --model NAME --key-env MY_KEY --knee --slo-ttft-ms 500
    """
    from rich.console import Console

    from profiler.cli.interrupts import whole_or_partial
    from profiler.cli.progress import progress_on
    from profiler.errors import UsageError
    from profiler.report.endpoint import Endpoint
    from profiler.report.store import check_writable, load_report
    from profiler.serving.outcome import Slo
    from profiler.session.endpoint import Plan, drive_endpoint
    from profiler.session.endpoint_inputs import api_key, read_load
    from profiler.session.simulate_inputs import Generator

    check_requests(context, requests, "prompt_tokens", "output_tokens")
    if concurrency is not None and (rate is not None or knee or max_concurrency is not None):
        raise UsageError("--concurrency is a load of its own", "without --rate, --max-concurrency and --knee")
    if knee and trace is not None:
        raise UsageError("--knee looks for a load, and --trace traces one", "--trace with the --rate of interest")
    if trace is not None and trace.exists() and not trace.is_dir():
        raise UsageError(f"{trace} is no folder", "--trace with the folder that the server writes its traces into")
    if output is not None:
        for read in (costs, Path(requests)):
            check_writable(output, force=force, source=read)
    generator = Generator(rate, number_wanted(requests, count, _COUNT), prompt_tokens, output_tokens, seed)
    plan = Plan(
        url=url,
        log=read_load(requests, generator, paced=concurrency is not None or knee, max_bytes=max_bytes),
        log_name=requests,
        api=None if api is Api.AUTO else api.value,
        model=model,
        key=api_key(key_env),
        concurrency=concurrency,
        most_at_once=max_concurrency,
        slo=Slo(slo_ttft_ms, slo_tpot_ms, slo_e2e_ms),
        seed=seed,
        baseline=baseline,
        timeout_s=timeout_s,
        knee=knee,
        step_s=step_s,
        most_listed=listed,
        costs=None if costs is None else load_report(costs),
        gpu=gpu,
        trace_folder=None if trace is None else trace.absolute(),
    )
    with progress_on(Console(stderr=True)) as progress:
        answer, interrupted = whole_or_partial(lambda: drive_endpoint(plan, progress), Endpoint)
    _emit(answer, form, output)
    if interrupted is not None:
        raise interrupted


def _emit(answer: "Endpoint", form: Format, output: Path | None) -> None:
    from profiler.cli.output import hand_over
    from profiler.render.endpoint_blocks import endpoint_blocks
    from profiler.report.endpoint import encode_endpoint

    hand_over(lambda: endpoint_blocks(answer), form, lambda: encode_endpoint(answer), output)
