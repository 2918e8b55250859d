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


def run_plainly(arguments: Sequence[str]) -> bool:
    """Run what was typed if it is plain; whether it was. Failures are told, and raise `SystemExit`."""
    typed = plain_options(arguments)
    if typed is None:
        return False
    from profiler.cli.analysis import analyze_and_show
    from profiler.cli.failures import tell
    from profiler.cli.interrupts import kept_interrupts

    try:
        with kept_interrupts():
            analyze_and_show(**typed)
    except BrokenPipeError:  # `bottleneck analyze ... | head`; what is left in the buffer goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (Exception, KeyboardInterrupt) as error:
        raise SystemExit(tell(error)) from error
    return True


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
