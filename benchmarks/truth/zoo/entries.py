"""All entries, in the order of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.truth.zoo import compute, memory, mixtures, scheduling, transfers
from benchmarks.truth.zoo.entry import Entry

ENTRIES: Sequence[Entry] = (
    *memory.ENTRIES,
    *compute.ENTRIES,
    *transfers.ENTRIES,
    *scheduling.ENTRIES,
    *mixtures.ENTRIES,
)
NAMES: Mapping[str, Entry] = {entry.name: entry for entry in ENTRIES}


def entry_of(name: str) -> Entry:
    """The entry of this name. Raises `KeyError`."""
    return NAMES[name]
