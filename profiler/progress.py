"""How far the work is: what a long task tells whoever waits for it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told about the work as it goes on. Stages follow one another; each ends when the next begins."""

    def stage(self, label: str, total: int | None = None, *, seconds: float | None = None) -> None:
        """A new stage begins; `total` is its number of steps, `seconds` how long it will take, None where not known."""

    def advance(self, steps: int = 1) -> None:
        """So many more steps of the stage are done."""

    def note(self, text: str) -> None:
        """Something worth a line of its own."""


class SilentProgress:
    """Tells nobody."""

    def stage(self, label: str, total: int | None = None, *, seconds: float | None = None) -> None:
        """Ignored."""

    def advance(self, steps: int = 1) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""
