"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from profiler.cli.boundary import remember_debug
from profiler.cli.formats import Format as Format

RUN_PANEL, OUTPUT_PANEL = "How it runs", "Output"

FormatOption = Annotated[
    Format,
    typer.Option(
        "--format", metavar="FORMAT", help="What stdout carries: table, json or markdown.", rich_help_panel=OUTPUT_PANEL
    ),
]
DetailsOption = Annotated[
    bool,
    typer.Option("--details", help="Not the table in short, but all that was measured.", rich_help_panel=OUTPUT_PANEL),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace files that exist.", rich_help_panel=OUTPUT_PANEL)]
DebugOption = Annotated[
    bool,
    typer.Option(
        "--debug",
        help="On an error, show the traceback.",
        rich_help_panel=OUTPUT_PANEL,
        callback=remember_debug,
        is_eager=True,
        expose_value=False,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto, cuda, cuda:N or cpu; auto is the first GPU, else the CPU.",
        rich_help_panel=RUN_PANEL,
    ),
]
RenderedOutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write to a file instead.", rich_help_panel=OUTPUT_PANEL),
]
