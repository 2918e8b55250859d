"""The one place where failures become a line on stderr and an exit code."""

from __future__ import annotations

import errno
from typing import Any

import typer
from typer.core import TyperGroup

from profiler.cli.failures import tell
from profiler.cli.interrupts import kept_interrupts
from profiler.printable import printable

_ARGUMENTS, _DEBUG = "bottleneck.arguments", "bottleneck.debug"


class Boundary(TyperGroup):
    """Runs a verb. Usage errors are Typer's own (exit code 2); every other failure is told here."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember what was typed before it is taken apart."""
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; on failure say what, why and what to type next."""
        try:
            with kept_interrupts():
                return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            if _is_typers_own(error):
                raise
            raise typer.Exit(tell(error, debug=bool(ctx.meta.get(_DEBUG)))) from error


def typed_command(ctx: typer.Context) -> str:
    """The command as it was typed, quoted for a shell."""
    import shlex

    return printable(shlex.join(["bottleneck", *ctx.meta.get(_ARGUMENTS, [])]))


def remember_debug(ctx: typer.Context, wanted: bool) -> bool:
    """The callback of `--debug`."""
    ctx.meta[_DEBUG] = wanted
    return wanted


def _is_typers_own(error: BaseException) -> bool:
    """Usage errors, exits and aborts, and the closed pipe of `bottleneck models | head`."""
    if isinstance(error, OSError):
        return error.errno == errno.EPIPE
    return isinstance(error, (typer.Exit, typer.Abort)) or hasattr(error, "format_message")
