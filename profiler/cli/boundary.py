"""The one place where failures become a line on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from profiler.cli.failures import tell
from profiler.cli.garbage import search_as_usual
from profiler.cli.help import laid_out, without_types_of_switches
from profiler.cli.meant import meant_choice, meant_option
from profiler.cli.streams import answering, drop
from profiler.errors import BottleneckError, InterruptedByUser
from profiler.printable import printable

_ARGUMENTS, _DEBUG = "bottleneck.arguments", "bottleneck.debug"


class Boundary(TyperGroup):
    """Runs a verb. Usage errors are Typer's own (exit code 2); every other failure is told here."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run what was typed; tell what happens before there is a verb."""
        try:
            return super().main(*args, **options)
        except (BottleneckError, KeyboardInterrupt) as error:
            raise SystemExit(tell(error)) from error
        except SystemExit as end:
            # Typer leaves without a word here, and only here: a verb that was interrupted does not end with its Exit.
            if end.code == InterruptedByUser.exit_code and isinstance(end.__context__, typer.Exit):
                tell(KeyboardInterrupt())
            raise

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Take apart what was typed, or write the help."""
        with _reader_may_go():
            return super().make_context(*args, **options)

    def get_params(self, ctx: Any) -> list[Any]:
        """Options, as the help shows them."""
        return without_types_of_switches(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help as answers are written."""
        with answering():
            super().format_help(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember what was typed before it is taken apart."""
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb; of a word that is an option, say so."""
        with meant_option(args[0] if args else "", [name for option in self.params for name in option.opts]):
            return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; on failure say what, why and what to type next."""
        search_as_usual()
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            if _is_typers_own(error):
                raise
            raise SystemExit(tell(error, debug=bool(ctx.meta.get(_DEBUG)))) from error


class Verb(TyperCommand):
    """One verb."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.help = laid_out(self.help or "")

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Take apart what was typed, or write the help."""
        with _reader_may_go(), meant_choice():
            return super().make_context(*args, **options)

    def get_params(self, ctx: Any) -> list[Any]:
        """Arguments and options, as the help shows them."""
        return without_types_of_switches(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help as answers are written."""
        with answering():
            super().format_help(ctx, formatter)


@contextmanager
def _reader_may_go() -> Iterator[None]:
    """End without a word where nobody reads the empty line that Typer writes after a help."""
    try:
        yield
    except BrokenPipeError:
        drop()
        raise SystemExit(1) from None


def typed_command(ctx: typer.Context) -> str:
    """The command as it was typed, quoted for a shell."""
    import shlex

    return printable(shlex.join(["bottleneck", *ctx.meta.get(_ARGUMENTS, [])]))


def remember_debug(ctx: typer.Context, wanted: bool) -> bool:
    """The callback of `--debug`."""
    ctx.meta[_DEBUG] = wanted
    return wanted


def _is_typers_own(error: BaseException) -> bool:
    """Usage errors, exits and aborts."""
    return isinstance(error, (typer.Exit, typer.Abort)) or hasattr(error, "format_message")
