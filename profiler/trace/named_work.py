"""Pieces of host work, summed by what the work is called."""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from profiler.trace.host_places import HostPlaces
from profiler.trace.host_work import HostWork
from profiler.trace.timeline import Ints

# Pieces that nothing was recorded in, and those of them in which no thread did anything for long; then the others.
_FREE, _SILENT, _NAMED = range(3)


class NamedWork(Struct):
    """All pieces of one name; `kind` is a `HostKind`, -1 where nothing was recorded.

    `calls` is how much work has some of this time; where nothing was recorded, the pieces. `at_ns` to `owner` are of
    the longest piece: when it began, on which thread, and the row of the work or -1.
    """

    label: str
    kind: int
    ns: int = 0
    calls: int = 0
    longest_ns: int = -1
    at_ns: int = 0
    thread: int = -1
    owner: int = -1
    keys: list[int] = field(default_factory=list)


class WorkByName:
    """Sums of pieces by name, added up a stretch of time after the other."""

    def __init__(self, work: HostWork, places: HostPlaces) -> None:
        self._work = work
        self._places = places
        self._width = int(work.name.max(initial=0)) + 1
        self._keys = _NAMED + (int(work.kind.max(initial=0)) + 1) * self._width
        self._work_key = work.kind * self._width + work.name + _NAMED
        self._has_time = np.zeros(len(work), np.bool_)
        self._total, self._pieces = np.zeros((2, self._keys), np.int64)
        # Of the longest piece: its time, begin, thread and owner.
        self._longest = np.full((4, self._keys), -1, np.int64)

    def add(
        self, owner: Ints, begin_ns: Ints, end_ns: Ints, thread: Ints, silent: NDArray[np.bool_] | None = None
    ) -> Ints:
        """Pieces, shape (n,) each, with the thread that counts where they have no owner; the key of each.

        `silent` says of those without an owner whether no thread did anything.
        """
        key = np.append(self._work_key, _FREE)[owner]
        if silent is not None:
            key[(owner < 0) & silent] = _SILENT
        lasts = end_ns - begin_ns
        # Exact: a float holds 100 days of nanoseconds.
        self._total += np.bincount(key, weights=lasts, minlength=self._keys).astype(np.int64)
        self._pieces += np.bincount(key, minlength=self._keys)
        self._has_time[owner[owner >= 0]] = True
        longest = self._longest[0].copy()
        np.maximum.at(longest, key, lasts)
        rows = np.flatnonzero((lasts == longest[key]) & (lasts > self._longest[0][key]))
        owners = owner[rows]
        threads = np.where(owners >= 0, np.append(self._work.thread, -1)[owners], thread[rows])
        self._longest[:, key[rows]] = lasts[rows], begin_ns[rows], threads, owners
        return key

    def sums(self) -> list[NamedWork]:
        """All names, the one with the most time first."""
        calls = np.bincount(self._work_key[self._has_time], minlength=self._keys)
        found: dict[tuple[int, str], NamedWork] = {}
        for key in np.flatnonzero(self._pieces).tolist():
            kind, name = divmod(key - _NAMED, self._width) if key >= _NAMED else (-1, -1)
            label = self._places.label(kind, name) if kind >= 0 else self._places.free_label(silent=key == _SILENT)
            group = found.setdefault((kind, label), NamedWork(label, kind))
            group.ns += int(self._total[key])
            group.calls += int(calls[key] if kind >= 0 else self._pieces[key])
            group.keys.append(key)
            if self._longest[0, key] > group.longest_ns:
                group.longest_ns, group.at_ns, group.thread, group.owner = self._longest[:, key].tolist()
        return sorted(found.values(), key=lambda group: -group.ns)

    def calls(self, group: NamedWork) -> NDArray[np.bool_]:
        """Which work is called so, shape (number of works,)."""
        return np.isin(self._work_key, group.keys)
