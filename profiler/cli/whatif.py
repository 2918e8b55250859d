"""`bottleneck whatif REPORT`: a saved report at other speeds, or on another device."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from profiler.cli.completion import datasheets, reports
from profiler.cli.options import OUTPUT_PANEL, DebugOption, ForceOption, Format, FormatOption

_SPEEDS = "How many times as fast (0.5 is half as fast)"
_SLOWEST, _FASTEST = 0.01, 100.0


def _factor(value: float | None) -> float | None:
    """A factor that can be meant: what is beyond is no machine but a typing error."""
    if value is None or (math.isfinite(value) and _SLOWEST <= value <= _FASTEST):
        return value
    raise typer.BadParameter(f"{value:g} is no factor from {_SLOWEST:g} to {_FASTEST:g}")


def _speed(option: str, text: str) -> Any:
    return typer.Option(
        option, metavar="FACTOR", show_default=False, callback=_factor, rich_help_panel=_SPEEDS, help=text
    )


def whatif(
    report: Annotated[
        Path,
        typer.Argument(metavar="REPORT", show_default=False, autocompletion=reports, help="What `profile -o` wrote."),
    ],
    memory: Annotated[float | None, _speed("--memory", "Bandwidth of the device's memory.")] = None,
    compute: Annotated[float | None, _speed("--compute", "Matrix units and instruction issue.")] = None,
    host: Annotated[float | None, _speed("--host", "How fast the CPU prepares and launches work.")] = None,
    pcie: Annotated[float | None, _speed("--pcie", "Copies between host and device.")] = None,
    latency: Annotated[float | None, _speed("--latency", "Fixed costs of kernels, and gaps between them.")] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="NAME",
            show_default=False,
            autocompletion=datasheets,
            help="On that device, by its datasheet, such as h200. A speed that is given too counts instead of it.",
        ),
    ] = None,
    phase: Annotated[
        str | None, typer.Option("--phase", metavar="NAME", show_default=False, help="Of this phase alone.")
    ] = None,
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON too."),
    ] = None,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Predict a kept report at other speeds: time, throughput, the next bottleneck, and which speed stops helping.

    Without a speed and without a device, show what each speed would bring.

    [bold]Examples[/bold]

      bottleneck whatif report.json

      bottleneck whatif report.json --memory 1.4 --host 2

      bottleneck whatif report.json --device h200
    """
    from profiler import __version__
    from profiler.attribute.whatif_report import what_if
    from profiler.cli.datasheets import datasheet
    from profiler.cli.output import hand_over
    from profiler.render.whatif_blocks import whatif_blocks
    from profiler.report.store import check_writable, load_report
    from profiler.report.whatif import Knob, encode_whatif

    if output is not None:
        check_writable(output, force=force, source=report)
    asked = {
        Knob.MEMORY: memory,
        Knob.COMPUTE: compute,
        Knob.HOST: host,
        Knob.PCIE: pcie,
        Knob.LATENCY: latency,
    }
    loaded = load_report(report)
    target = None if device is None else datasheet(device, loaded.environment.device)
    answer = what_if(
        loaded,
        {knob: factor for knob, factor in asked.items() if factor is not None},
        target=target,
        phase=phase,
        tool_version=__version__,
    )
    hand_over(lambda: whatif_blocks(answer), form, lambda: encode_whatif(answer), output)
