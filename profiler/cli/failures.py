"""What failures are told as: a line on stderr that says what and why, one that says what to type next, an exit code."""

from __future__ import annotations

import sys
from contextlib import suppress

from profiler.errors import BottleneckError, InterruptedByUser, bug


def tell(error: Exception | KeyboardInterrupt, *, debug: bool = False) -> int:
    """Tell it; the exit code. With `debug` the traceback comes first."""
    if isinstance(error, InterruptedByUser | KeyboardInterrupt):
        with suppress(KeyboardInterrupt):  # who presses it twice knows it already
            _say(error, _what_is_kept(error), "", debug, label="interrupted")
        return InterruptedByUser.exit_code
    if isinstance(error, BottleneckError):
        _say(error, error.message, error.hint, debug)
        return error.exit_code
    unexpected = bug(error)
    _say(error, unexpected.message, unexpected.hint, debug)
    return BottleneckError.exit_code


def _what_is_kept(error: InterruptedByUser | KeyboardInterrupt) -> str:
    if isinstance(error, InterruptedByUser) and error.message:
        return error.message
    if getattr(error, "partial", None) is None:
        return "nothing was measured yet"
    return "what was measured before is kept"


def _say(error: BaseException, message: str, hint: str, debug: bool, *, label: str = "error") -> None:
    from rich.console import Console
    from rich.text import Text

    if debug:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for word, text, style in ((label, message, "bold red"), ("try", hint, "bold")):
        if text:
            console.print(Text.assemble((f"{word}:", style), f" {text}"))
