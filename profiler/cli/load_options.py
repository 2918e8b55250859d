"""Options of the verbs that serve requests: bounded numbers, requests that are drawn, and what is promised of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

GENERATED, SLO = "With poisson or bursty", "What is promised"
# Repeated from `profiler.serving`, which `--help` need not import; a test keeps them equal.
LENGTHS = "N, uniform:LOW:HIGH, exponential:MEAN or lognormal:MEDIAN:SIGMA"
_MOST = 1e9


def _within(least: float, most: float) -> Callable[[float | None], float | None]:
    """What is beyond is no wish but a typing error."""

    def check(value: float | None) -> float | None:
        if value is None or least <= value <= most:  # never true of NaN
            return value
        raise typer.BadParameter(f"{value:g} is not between {least:g} and {most:g}")

    return check


def number(option: str, text: str, panel: str, metavar: str, least: float = 1e-6) -> Any:
    """An option for a number from `least` to a billion."""
    return typer.Option(option, metavar=metavar, callback=_within(least, _MOST), rich_help_panel=panel, help=text)


def whole(option: str, text: str, panel: str, most: float = _MOST, least: float = 1) -> Any:
    """An option for a whole number from `least` to `most`."""
    return typer.Option(option, metavar="N", callback=_within(least, most), rich_help_panel=panel, help=text)


def count_option(default: int, most: float) -> Any:
    """How many requests to draw, or to take of a log; `default` is for the drawn."""
    return whole("--count", f"How many; of a log, the first. Default: {default:,}, of a log all.", GENERATED, most)


def number_wanted(requests: str, count: int | None, default: int) -> int | None:
    """As many as were typed; where none were, `default` of drawn requests, and all of a log (None)."""
    from profiler.session.simulate_inputs import PROCESSES

    return default if count is None and requests in PROCESSES else count


def check_requests(context: typer.Context, requests: str, *drawing: str) -> None:
    """Raises `UsageError` for requests that there are not, and, where none are drawn, for the options `drawing`."""
    from profiler.errors import UsageError
    from profiler.serving.request_file import shortened
    from profiler.session.simulate_inputs import PROCESSES, check_meant

    check_meant(requests)
    typed = [name for name in drawing if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"]
    if typed and requests not in PROCESSES:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in typed)
        raise UsageError(
            f"{shortened(requests)} has its own requests: {options} would change nothing",
            f"without {options} (for poisson and bursty)",
        )


PromptTokensOption = Annotated[
    str, typer.Option("--prompt-tokens", metavar="LENGTHS", rich_help_panel=GENERATED, help=f"{LENGTHS}.")
]
OutputTokensOption = Annotated[
    str, typer.Option("--output-tokens", metavar="LENGTHS", rich_help_panel=GENERATED, help="In the same way.")
]
SeedOption = Annotated[int, whole("--seed", "The same seed gives the same requests.", GENERATED, least=0)]
SloTtftOption = Annotated[float | None, number("--slo-ttft-ms", "Time to the first token.", SLO, "MS")]
SloTpotOption = Annotated[float | None, number("--slo-tpot-ms", "Time per token after it.", SLO, "MS")]
SloE2eOption = Annotated[float | None, number("--slo-e2e-ms", "Time of the whole request.", SLO, "MS")]
