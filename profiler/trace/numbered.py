"""Numbers for what repeats."""

from __future__ import annotations

from typing import TypeVar

Key = TypeVar("Key")


class Numbered(dict[Key, int]):
    """The number of each distinct key, given in the order in which keys appear."""

    def __missing__(self, key: Key) -> int:
        self[key] = number = len(self)
        return number
