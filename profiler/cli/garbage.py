"""How often Python searches for cycles among objects that nothing else refers to."""

from __future__ import annotations

import gc

_USUAL = gc.get_threshold()
# Objects made between two searches. Imports and readers make many and no garbage.
_SELDOM = 100_000


def search_seldom() -> None:
    """While the command line starts, which takes a twentieth less time so."""
    gc.set_threshold(_SELDOM)


def search_as_usual() -> None:
    """Before a verb runs: what `profile` measures must run as it does elsewhere."""
    gc.set_threshold(*_USUAL)
