"""The one place where failures become a line on stderr and an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import typer
from typer.core import TyperGroup

from profiler.cli.interrupts import kept_interrupts
from profiler.errors import BottleneckError, InterruptedByUser, bug

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
        except (InterruptedByUser, KeyboardInterrupt) as interrupt:
            partial = getattr(interrupt, "partial", None)
            kept = "nothing was measured yet" if partial is None else "what was measured before is kept"
            with suppress(KeyboardInterrupt):  # who presses it twice knows it already
                _tell(ctx, interrupt, kept, "", label="interrupted")
            raise typer.Exit(InterruptedByUser.exit_code) from interrupt
        except BottleneckError as error:
            _tell(ctx, error, error.message, error.hint)
            raise typer.Exit(error.exit_code) from error
        except Exception as error:
            if _is_typers_own(error):
                raise
            unexpected = bug(error)
            _tell(ctx, error, unexpected.message, unexpected.hint)
            raise typer.Exit(BottleneckError.exit_code) from error


def typed_command(ctx: typer.Context) -> str:
    """The command as it was typed, quoted for a shell."""
    import shlex

    return shlex.join(["bottleneck", *ctx.meta.get(_ARGUMENTS, [])])


def remember_debug(ctx: typer.Context, wanted: bool) -> bool:
    """The callback of `--debug`."""
    ctx.meta[_DEBUG] = wanted
    return wanted


def _is_typers_own(error: Exception) -> bool:
    """Usage errors, exits and aborts, and the closed pipe of `bottleneck models | head`."""
    if isinstance(error, OSError):
        return error.errno == errno.EPIPE
    return isinstance(error, (typer.Exit, typer.Abort)) or hasattr(error, "format_message")


def _tell(ctx: Any, error: BaseException, message: str, hint: str, *, label: str = "error") -> None:
    from rich.console import Console
    from rich.text import Text

    if ctx.meta.get(_DEBUG):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    say: Callable[[str, str, str], None] = lambda word, text, style: console.print(  # noqa: E731
        Text.assemble((f"{word}:", style), f" {text}")
    )
    say(label, message, "bold red")
    if hint:
        say("try", hint, "bold")
