"""Pieces of host work, summed by what the work is called."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from profiler.trace.host_places import HostPlaces
from profiler.trace.host_work import HostWork
from profiler.trace.timeline import Ints

# Pieces that nothing was recorded in, and those of them in which no thread did anything for long; then the others.
_FREE, _SILENT, _NAMED = range(3)


@dataclass(slots=True)
class NamedWork:
    """All pieces of one name; `kind` is a `HostKind`, -1 where nothing was recorded."""

    label: str
    kind: int
    ns: int = 0
    pieces: int = 0
    keys: list[int] = field(default_factory=list)


class WorkByName:
    """The sums of pieces by name. Of each piece `owner` is a row of the work or -1, `lasts_ns` its time; shape (n,).

    `silent` says of pieces without an owner whether no thread did anything.
    """

    def __init__(
        self,
        work: HostWork,
        places: HostPlaces,
        owner: Ints,
        lasts_ns: Ints,
        silent: NDArray[np.bool_] | None = None,
    ) -> None:
        self._places = places
        self._width = int(work.name.max(initial=0)) + 1
        self._work_key = work.kind * self._width + work.name + _NAMED
        self._key = np.append(self._work_key, _FREE)[owner]
        if silent is not None:
            self._key[(owner < 0) & silent] = _SILENT
        self._lasts_ns = lasts_ns

    def sums(self) -> list[NamedWork]:
        """All names, the one with the most time first."""
        count = np.bincount(self._key)
        total = np.bincount(self._key, weights=self._lasts_ns)  # exact: a float holds 100 days of nanoseconds
        found: dict[tuple[int, str], NamedWork] = {}
        for key in np.flatnonzero(count).tolist():
            kind, name = divmod(key - _NAMED, self._width) if key >= _NAMED else (-1, -1)
            label = self._places.label(kind, name) if kind >= 0 else self._places.free_label(silent=key == _SILENT)
            group = found.setdefault((kind, label), NamedWork(label, kind))
            group.ns += int(total[key])
            group.pieces += int(count[key])
            group.keys.append(key)
        return sorted(found.values(), key=lambda group: -group.ns)

    def pieces(self, group: NamedWork) -> Ints:
        """The rows of its pieces."""
        return np.flatnonzero(np.isin(self._key, group.keys))

    def calls(self, group: NamedWork) -> NDArray[np.bool_]:
        """Which work is called so, shape (number of works,)."""
        return np.isin(self._work_key, group.keys)
