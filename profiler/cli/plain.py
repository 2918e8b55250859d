"""`bottleneck analyze` in its plainest form, which needs no Typer.

Typer, and the pydantic that it converts values with, take as long to start as a quarter of a million events take to
read. So names of traces, `--parts-only` and `--format` are understood here; any other command line is Typer's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from profiler.cli.formats import Format

_VERB, _STDIN = "analyze", "-"
_SWITCHES = {"--parts-only": "parts_only"}


def run_plainly(arguments: Sequence[str]) -> None:
    """Run what was typed if it is plain, and end the process; else return. Failures are told and raise `SystemExit`."""
    typed = plain_options(arguments)
    if typed is None:
        return
    from profiler.cli.analysis import analyze_and_show
    from profiler.cli.failures import tell

    try:
        analyze_and_show(**typed)
        sys.stderr.flush()
        os._exit(0)  # all is said, and nothing is open: to take the interpreter apart takes a tenth of the whole time
    except (Exception, KeyboardInterrupt) as error:
        raise SystemExit(tell(error)) from error


def plain_options(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What to pass to `analyze_and_show`; None where only Typer can tell what is meant, or what is wrong."""
    if arguments[:1] != [_VERB]:
        return None
    options: dict[str, Any] = {"traces": []}
    left = iter(arguments[1:])
    for argument in left:
        if argument in _SWITCHES:
            options[_SWITCHES[argument]] = True
        elif argument == "--format":
            value = next(left, "")
            if value not in tuple(Format):
                return None
            options["form"] = Format(value)
        elif argument == _STDIN or (argument and not argument.startswith("-")):
            options["traces"].append(argument)
        else:
            return None
    return options if options["traces"] else None
