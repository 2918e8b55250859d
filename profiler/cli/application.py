"""The verbs put together. Nothing here or in a verb's file imports anything heavy before the verb runs.

Nor does a verb's file put off its annotations (`from __future__`): Typer would have each option's text evaluated twice,
which took a tenth of the time of `--help`.
"""

from collections.abc import Callable
from typing import Annotated

import typer

from profiler.cli.analyze import analyze
from profiler.cli.boundary import Boundary, Verb
from profiler.cli.calibrate import calibrate
from profiler.cli.check import check
from profiler.cli.compare import compare
from profiler.cli.doctor import doctor
from profiler.cli.endpoint import endpoint
from profiler.cli.history import history
from profiler.cli.models import models
from profiler.cli.profile import profile
from profiler.cli.schema import schema
from profiler.cli.show import show
from profiler.cli.simulate import simulate
from profiler.cli.whatif import whatif

application = typer.Typer(
    name="bottleneck",
    cls=Boundary,
    help="Why isn't this model faster, and what would make it faster?",
    epilog="Start with: bottleneck profile tiny",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Measure": (profile, endpoint),
    "Read": (analyze, simulate, show, whatif),
    "Compare and gate": (compare, history, check),
    "Look up": (models, schema),
    "This machine": (doctor, calibrate),
}
for _panel, _verbs in _PANELS.items():
    for _verb in _verbs:
        application.command(cls=Verb, rich_help_panel=_panel)(_verb)


def _print_version(wanted: bool) -> None:
    if wanted:
        from profiler.cli.output import write
        from profiler.cli.version import versions

        write(versions().encode())
        raise typer.Exit


@application.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the versions that a bug report needs.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass
