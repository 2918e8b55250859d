"""Ctrl-C that arrives while an object is being destroyed: Python drops it there."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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
