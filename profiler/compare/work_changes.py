"""Which kernels, operations or families beneath a time changed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from profiler.compare.result_times import OneTime, Work
from profiler.report.comparison import WorkChange

_Key = tuple[str, str | None]


def work_changes(before: Sequence[OneTime], after: Sequence[OneTime]) -> list[WorkChange]:
    """Work of the same name and module, the largest change first.

    Of several results the median. Where a side lists only its costliest work, what it does not list is not known, and
    not nothing.
    """
    sides = [_of_side(side) for side in (before, after)]
    cut = [any(time.work_is_cut for time in side) for side in (before, after)]
    changes = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        name, module = key
        (old_calls, old_ms), (new_calls, new_ms) = (
            side.get(key, (None, None) if is_cut else (0.0, 0.0)) for side, is_cut in zip(sides, cut, strict=True)
        )
        changes.append(
            WorkChange(
                name=name,
                module=module,
                before_calls=old_calls,
                after_calls=new_calls,
                before_ms=old_ms,
                after_ms=new_ms,
                change_ms=None if old_ms is None or new_ms is None else new_ms - old_ms,
            )
        )
    return sorted(changes, key=lambda each: (each.change_ms is None, -abs(each.change_ms or 0.0), each.name))


def _of_side(side: Sequence[OneTime]) -> dict[_Key, tuple[float | None, float | None]]:
    found: dict[_Key, list[tuple[float, float]]] = {}
    for time in side:
        for key, sums in _summed(time.work).items():
            found.setdefault(key, []).append(sums)
    return {key: (median(calls for calls, _ in sums), median(ms for _, ms in sums)) for key, sums in found.items()}


def _summed(work: Sequence[Work]) -> dict[_Key, tuple[float, float]]:
    total: dict[_Key, tuple[float, float]] = {}
    for each in work:
        calls, ms = total.get((each.name, each.module), (0.0, 0.0))
        total[each.name, each.module] = (calls + each.calls, ms + each.ms)
    return total
