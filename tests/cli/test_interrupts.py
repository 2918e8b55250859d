"""An interrupt that arrives in a destructor is not lost."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest

from profiler.cli.interrupts import kept_interrupts


class Destroyed:
    """Interrupted while it is destroyed."""

    def __del__(self) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_that_python_drops_in_a_destructor_is_made_again():
    made: list[str] = []
    with kept_interrupts(lambda: made.append("again")):
        Destroyed()
    assert made == ["again"]


def destroy_and_wait() -> None:
    with kept_interrupts():
        Destroyed()
        threading.Event().wait(10)


def test_it_reaches_the_main_thread():
    with pytest.raises(KeyboardInterrupt):
        destroy_and_wait()


def test_other_exceptions_in_destructors_are_told_as_usual(monkeypatch: pytest.MonkeyPatch):
    told: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: told.append(ignored.exc_type))
    with kept_interrupts():
        sys.unraisablehook(SimpleNamespace(exc_type=ValueError))  # type: ignore[arg-type]
    assert told == [ValueError]


def test_python_s_own_hook_is_back_afterwards():
    before = sys.unraisablehook
    with kept_interrupts():
        assert sys.unraisablehook is not before
    assert sys.unraisablehook is before
