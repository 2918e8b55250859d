"""Ctrl-C: what was known by then is an answer, too; and where Python would drop it, it is made again."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from profiler.errors import InterruptedByUser

Answer = TypeVar("Answer")

# Long enough for the destructor to be over, in which the interrupt would be dropped again.
_A_MOMENT_S = 0.05


def interrupt_in_a_moment() -> None:
    """Interrupt the main thread once it is back in ordinary code."""
    timer = threading.Timer(_A_MOMENT_S, _thread.interrupt_main)
    timer.daemon = True
    timer.start()


@contextmanager
def kept_interrupts(again: Callable[[], None] = interrupt_in_a_moment) -> Iterator[None]:
    """Within, an interrupt that Python ignores in a destructor is made again, by `again`."""
    usual = sys.unraisablehook

    def hook(ignored: Any) -> None:
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            again()
        else:
            usual(ignored)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = usual


def whole_or_partial(run: Callable[[], Answer], kind: type[Answer]) -> tuple[Answer, InterruptedByUser | None]:
    """What `run` answers; after Ctrl-C what it had of that, and the interrupt, to be raised once that is shown.

    Raises `InterruptedByUser` where it had nothing of that `kind`.
    """
    from profiler.errors import InterruptedByUser

    try:
        return run(), None
    except InterruptedByUser as interrupt:
        if not isinstance(interrupt.partial, kind):
            raise
        return interrupt.partial, interrupt
