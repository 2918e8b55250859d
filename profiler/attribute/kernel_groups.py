"""The kernels of a trace, grouped by what is alike: name, grid, operation and shapes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from profiler.attribute.activities import FactColumns, Limited
from profiler.attribute.limiter import Floats
from profiler.attribute.unknown_kernels import UnknownKernels, WhyUnknown
from profiler.report.evidence import KernelFacts
from profiler.report.vocabulary import Resource
from profiler.trace.timeline import Activity, Ints, Timeline

# name, grid, operation's name, shapes
_Key = tuple[int, tuple[int, ...], int, int]


class JudgedRows(Struct, frozen=True):
    """Device rows, shape (n,): `rows` in the timeline, `kernels[kernel]` what is known of each, and what limits it.

    `known` is False where nobody can tell what a kernel waits for.
    """

    rows: Ints
    kernels: Sequence[KernelFacts]
    kernel: Ints
    limiters: Sequence[Resource]
    known: Sequence[bool]

    @classmethod
    def of(cls, rows: Ints, facts: FactColumns, limited: Limited) -> JudgedRows:
        """What was found of these rows."""
        return cls(rows, facts.kernels, facts.kernel, limited.limiters, limited.known)


class KernelGroup(Struct, frozen=True):
    """All runs of one kernel for the same inputs; FLOPs and bytes are None where one run's are not known.

    `facts` are those of the first run. `limiter` limits most of its time, None where nobody can tell; `why_unknown` is
    why its work, or what limits it, is not known.
    """

    name: str
    operation: str | None
    shapes: str | None
    grid: list[int] | None
    calls: int
    own_ns: int
    sum_ns: int
    flops: float | None
    bytes: float | None
    limiter: Resource | None
    facts: KernelFacts
    why_unknown: WhyUnknown | None = None


def slowest_groups(timeline: Timeline, judged: JudgedRows, own_ns: Ints, most: int) -> list[KernelGroup]:
    """The kernels that take the most time, the longest first. `own_ns` is the exclusive time of each judged row."""
    # What follows on a window ends its last idle time, and is no part of it.
    within = timeline.device.start_ns[judged.rows] < timeline.device.span_ns[1]
    within |= timeline.device.window_ns is None
    rows = np.flatnonzero(within & (timeline.device.kind[judged.rows] == Activity.KERNEL))
    if not len(rows):
        return []
    shapes = _Shapes(timeline)
    group, keys = _grouped(timeline, judged, rows, shapes)
    own, sums = (_sums(group, values[rows], len(keys)) for values in (own_ns, _lasts(timeline, judged.rows)))
    calls = np.bincount(group, minlength=len(keys))
    inside = timeline.device.inside_ratio[judged.rows[rows]]
    flops = _amounts(judged, rows, group, inside, [each.flops for each in judged.kernels])
    moved = _amounts(judged, rows, group, inside, [each.bytes for each in judged.kernels])
    slowest = np.argsort(-own, kind="stable")[:most].tolist()
    limiters = _limiters(judged, rows, group, own_ns, slowest)
    first = np.zeros(len(keys), np.int64)
    first[group[::-1]] = rows[::-1]
    names, unknown = timeline.names, UnknownKernels(timeline)

    def why(nth: int) -> WhyUnknown | None:
        if limiters[nth] is not None and moved[nth] is not None:
            return None
        return unknown.why(int(judged.rows[first[nth]]), in_doubt=moved[nth] is not None)

    return [
        KernelGroup(
            name=names[name],
            operation=names[operation] if operation >= 0 else None,
            shapes=shapes.text(shape),
            grid=list(grid) if grid[0] >= 0 else None,
            calls=int(calls[nth]),
            own_ns=int(own[nth]),
            sum_ns=int(sums[nth]),
            flops=flops[nth],
            bytes=moved[nth],
            limiter=limiters[nth],
            facts=judged.kernels[int(judged.kernel[first[nth]])],
            why_unknown=why(nth),
        )
        for nth, (name, grid, operation, shape) in ((nth, keys[nth]) for nth in slowest)
    ]


class _Shapes:
    """The distinct inputs of operations by a number; the reader shares equal ones as one object."""

    def __init__(self, timeline: Timeline) -> None:
        self._lists = timeline.operations.shapes
        self._numbers: dict[int, int] = {}
        self._distinct: list[Any] = []

    def of(self, operations: Ints) -> Ints:
        """The number of each operation's inputs, shape (n,); -1 without operation."""
        used, inverse = np.unique(operations, return_inverse=True)
        numbers = [self._number(operation) for operation in used.tolist()]
        return np.array(numbers, np.int64)[inverse]

    def text(self, number: int) -> str | None:
        """`4096x4096, 4096x512`; None where there are none, or they are no lists of sizes."""
        words = [word for word in map(_shape_word, self._distinct[number]) if word] if number >= 0 else []
        return ", ".join(words) or None

    def _number(self, operation: int) -> int:
        if operation < 0 or not self._lists:
            return -1
        inputs = self._lists[operation]
        if id(inputs) not in self._numbers:
            self._numbers[id(inputs)] = len(self._distinct)
            self._distinct.append(inputs)
        return self._numbers[id(inputs)]


def _shape_word(sizes: object) -> str:
    if not isinstance(sizes, list) or not sizes:
        return ""
    if all(isinstance(size, int) and not isinstance(size, bool) for size in sizes):
        return "x".join(map(str, sizes))
    words = [_shape_word(each) for each in sizes if isinstance(each, list)]
    return f"[{', '.join(word for word in words if word)}]" if any(words) else ""


def _grouped(timeline: Timeline, judged: JudgedRows, rows: Ints, shapes: _Shapes) -> tuple[Ints, list[_Key]]:
    """The group of each row, and what each group has in common."""
    device, operations = timeline.device, timeline.operations
    at = judged.rows[rows]
    operation = device.operation[at]
    shape = shapes.of(operation)
    # Rows whose facts are one have their name and grid in common, so few combinations are left to be looked at.
    combined = judged.kernel[rows] * (int(shape.max()) + 2) + shape + 1
    _, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
    op_name = np.append(operations.name, -1)[operation]
    groups: dict[_Key, int] = {}
    grids = map(tuple, device.grid[at[first]].tolist())
    columns = (device.name[at[first]].tolist(), grids, op_name[first].tolist(), shape[first].tolist())
    numbers = [groups.setdefault(key, len(groups)) for key in zip(*columns, strict=True)]
    return np.array(numbers, np.int64)[inverse.reshape(-1)], list(groups)


def _lasts(timeline: Timeline, rows: Ints) -> Ints:
    lasts: Ints = timeline.device.end_ns[rows] - timeline.device.start_ns[rows]
    return lasts


def _sums(group: Ints, values: Ints, count: int) -> Ints:
    """Sums of integers: `bincount` would make floats of them."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, group, values)
    return sums


def _amounts(
    judged: JudgedRows, rows: Ints, group: Ints, inside_ratio: Floats, of_facts: list[float | None]
) -> list[float | None]:
    """The sum over each group of what falls into the window, None where one of its rows has none."""
    each = np.array([np.nan if value is None else value for value in of_facts], np.float64)[judged.kernel[rows]]
    return [None if np.isnan(total) else total for total in np.bincount(group, each * inside_ratio).tolist()]


def _limiters(
    judged: JudgedRows, rows: Ints, group: Ints, own_ns: Ints, wanted: list[int]
) -> dict[int, Resource | None]:
    """What limits most of the time of each wanted group."""
    weights: dict[int, dict[Resource | None, int]] = {number: defaultdict(int) for number in wanted}
    mine = np.isin(group, wanted)
    for number, row, ns in zip(group[mine].tolist(), rows[mine].tolist(), own_ns[rows[mine]].tolist(), strict=True):
        limiter = judged.limiters[row]
        is_told = judged.known[row] or limiter is Resource.LATENCY
        weights[number][limiter if is_told else None] += ns
    return {number: max(weight, key=lambda limiter: weight[limiter]) for number, weight in weights.items()}
