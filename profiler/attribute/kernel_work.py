"""What each kernel of a timeline moves and computes, which operation asked for it, and which module.

The work of an operation is divided over the kernels that it launched, so their sum is the operation's work:
its main kernel has the FLOPs and the reads, and a different kernel after it (which adds up partial sums or combines
partial attention) has the write of the output. Kernels of one name share by their durations. What they hand to each
other in between stays in L2 as a rule and is not counted. Further helpers have no number.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from profiler.attribute.distinct_work import WorkOfOperations
from profiler.attribute.operation_work import Category, OperationWork, TokenShape, has_rule
from profiler.report.vocabulary import Cause
from profiler.trace.timeline import MODULE_PREFIX, Activity, Ints, Timeline

Floats = NDArray[np.float64]

# Kernels that finish or prepare what another does, whichever of them takes longer.
_HELPER = re.compile(r"splitKreduce|splitkv_combine|combine_kernel|reduce_partials|prepare_grouped|groupedgemm_prep")


class KernelWork(Struct, frozen=True):
    """Columns over the rows of `Timeline.device`. Floats are NaN, and objects None, where nothing is known.

    `weights_bytes` and `kv_cache_bytes` are parts of `bytes`; the rest are activations. Copies have the bytes of the
    trace: within a device read and written, between host and device the one side that is in device memory.
    """

    bytes: Floats
    read_bytes: Floats
    write_bytes: Floats
    weights_bytes: Floats
    kv_cache_bytes: Floats
    flops: Floats
    queries: Floats  # of each head, where it is attention
    cause: list[Cause | None]  # what most of the bytes are
    category: list[Category | None]
    data_type: list[str | None]  # torch's name for the type computed in
    operation: list[str | None]  # the innermost operation around the launch
    outer_operation: list[str | None]  # the outermost aten operation within the same module
    module: list[str | None]  # qualified name of the innermost nn.Module

    def __len__(self) -> int:
        return len(self.bytes)

    @property
    def activations_bytes(self) -> Floats:
        """What is neither weights nor KV cache."""
        return self.bytes - self.weights_bytes - self.kv_cache_bytes


def kernels_work(timeline: Timeline, hint: TokenShape | None = None) -> KernelWork:
    """The work of every device row of a timeline; all columns have shape (len(timeline.device),)."""
    count = len(timeline.device)
    work = _nothing_known(count)
    _name(timeline, work)
    _count_copies(timeline, work)
    work_of = WorkOfOperations(timeline, hint or TokenShape())
    alone: list[int] = []
    found_alone: list[OperationWork] = []
    for owner, rows in _launched(timeline).items():
        found = work_of(owner, rows)
        if found is None:
            continue
        if len(rows) == 1:
            alone += rows
            found_alone.append(found)
        else:
            _divide(timeline, found, rows, work)
    _give(found_alone, np.array(alone, np.int64), work)
    return replace(work, bytes=work.read_bytes + work.write_bytes)


def taken(work: KernelWork, rows: Ints) -> KernelWork:
    """These rows of `work`, in this order; -1 gives a row of which nothing is known."""
    unknown = rows < 0

    def numbers(column: Floats) -> Floats:
        padded = np.append(column, np.nan)
        return np.where(unknown, np.nan, padded[rows])

    def objects(column: list[Any]) -> list[Any]:
        return [column[row] if row >= 0 else None for row in rows.tolist()]

    columns: dict[str, Any] = {}
    for name in KernelWork.__struct_fields__:
        column = getattr(work, name)
        columns[name] = numbers(column) if isinstance(column, np.ndarray) else objects(column)
    return KernelWork(**columns)


def concatenated(first: KernelWork, second: KernelWork) -> KernelWork:
    """The rows of both, one after the other."""
    columns: dict[str, Any] = {}
    for name in KernelWork.__struct_fields__:
        one, other = getattr(first, name), getattr(second, name)
        columns[name] = np.concatenate([one, other]) if isinstance(one, np.ndarray) else one + other
    return KernelWork(**columns)


def _nothing_known(count: int) -> KernelWork:
    def numbers() -> Floats:
        return np.full(count, np.nan)

    def objects() -> list[Any]:
        return [None] * count

    return KernelWork(
        bytes=numbers(),
        read_bytes=numbers(),
        write_bytes=numbers(),
        weights_bytes=numbers(),
        kv_cache_bytes=numbers(),
        flops=numbers(),
        queries=numbers(),
        cause=objects(),
        category=objects(),
        data_type=objects(),
        operation=objects(),
        outer_operation=objects(),
        module=objects(),
    )


def _name(timeline: Timeline, work: KernelWork) -> None:
    """Fill in the names of operations and modules."""
    operations, names = timeline.operations, timeline.names
    parent, module, name = operations.parent, operations.module, operations.name
    is_aten = np.array([text.startswith("aten::") for text in names], np.bool_)
    rows = np.flatnonzero(timeline.device.operation >= 0)
    innermost = timeline.device.operation[rows]
    outer, outermost = innermost.copy(), innermost.copy()
    rising = np.arange(len(rows))
    while len(rising):
        outer[rising] = parent[outer[rising]]
        rising = rising[outer[rising] >= 0]
        rising = rising[module[outer[rising]] == module[innermost[rising]]]
        shown = rising[is_aten[name[outer[rising]]]]
        outermost[shown] = outer[shown]
    columns = (rows, name[innermost], name[outermost], module[innermost])
    for row, inner, outermost_name, inside in zip(*(column.tolist() for column in columns), strict=True):
        work.operation[row], work.outer_operation[row] = names[inner], names[outermost_name]
        if inside >= 0:
            work.module[row] = timeline.name_of(timeline.ranges.name, inside).removeprefix(MODULE_PREFIX)


def _count_copies(timeline: Timeline, work: KernelWork) -> None:
    """Fill in the rows that are no kernels."""
    device = timeline.device
    reads = np.isin(device.kind, (Activity.D2H, Activity.D2D, Activity.P2P))
    writes = np.isin(device.kind, (Activity.H2D, Activity.D2D, Activity.MEMSET))
    size = np.where(device.bytes >= 0, device.bytes.astype(np.float64), np.nan)
    copies = reads | writes
    work.read_bytes[copies] = np.where(reads, size, 0.0)[copies]
    work.write_bytes[copies] = np.where(writes, size, 0.0)[copies]
    for column in (work.flops, work.weights_bytes, work.kv_cache_bytes):
        column[copies] = 0.0
    for row in np.flatnonzero(np.isin(device.kind, (Activity.D2D, Activity.MEMSET))).tolist():
        work.cause[row] = Cause.MEMORY_COPY
        work.category[row] = Category.COPY


def _launched(timeline: Timeline) -> dict[int, list[int]]:
    """Kernel rows by the operation whose work they do: the innermost around the launch that has a rule.

    An operation that only stands in for one inside it without a rule has no share when others inside it have theirs,
    which would then count twice.
    """
    operations = timeline.operations
    known = np.array([has_rule(name) for name in timeline.names], np.bool_)[operations.name]
    rows = np.flatnonzero((timeline.device.kind == Activity.KERNEL) & (timeline.device.operation >= 0))
    innermost = timeline.device.operation[rows]
    owners = innermost.copy()
    rising = np.flatnonzero(~known[owners])
    while len(rising):
        owners[rising] = operations.parent[owners[rising]]
        rising = rising[owners[rising] >= 0]
        rising = rising[~known[owners[rising]]]
    launched: dict[int, list[int]] = defaultdict(list)
    for owner, row in zip(owners.tolist(), rows.tolist(), strict=True):
        launched[owner].append(row)
    launched.pop(-1, None)
    stands_in = set(owners[owners != innermost].tolist())
    parent = operations.parent.tolist() if stands_in else []
    for owner in list(launched) if stands_in else ():
        outer = owner
        while (outer := parent[outer]) >= 0:
            if outer in stands_in:
                launched.pop(outer, None)
    return launched


def _give(found: list[OperationWork], rows: Ints, work: KernelWork) -> None:
    """Give each operation's work to the one kernel that it launched."""
    distinct = list({id(each): each for each in found}.values())
    number = {id(each): place for place, each in enumerate(distinct)}
    which = [number[id(each)] for each in found]
    objects = [(each.cause, each.category, each.data_type) for each in distinct]
    for row, place in zip(rows.tolist(), which, strict=True):
        work.cause[row], work.category[row], work.data_type[row] = objects[place]

    def put(column: Floats, of: Callable[[OperationWork], float | None]) -> None:
        column[rows] = np.array([of(each) for each in distinct], np.float64)[which]  # None is NaN

    put(work.flops, lambda each: each.flops)
    put(work.queries, lambda each: each.queries)
    put(work.read_bytes, lambda each: each.read_bytes)
    put(work.write_bytes, lambda each: each.write_bytes)
    put(work.weights_bytes, lambda each: each.weights_bytes)
    put(work.kv_cache_bytes, lambda each: each.kv_cache_bytes)


def _divide(timeline: Timeline, found: OperationWork, rows: list[int], work: KernelWork) -> None:
    """Give an operation's work to its kernels, which are rows in the order of time."""
    device = timeline.device
    name = dict(zip(rows, device.name[rows].tolist(), strict=True))
    lasts = dict(zip(rows, (device.end_ns[rows] - device.start_ns[rows]).tolist(), strict=True))
    helpers = {number for number in set(name.values()) if _HELPER.search(timeline.names[number])}
    main = max([row for row in rows if name[row] not in helpers] or rows, key=lasts.__getitem__)
    mains = [row for row in rows if name[row] == name[main]]
    duration = np.array([lasts[row] for row in mains], np.float64)
    total = duration.sum()
    shares = duration / total if total else np.full(len(mains), 1 / len(mains))
    finishing = rows[-1] if rows[-1] > mains[-1] else None

    for row in mains:
        work.cause[row], work.category[row], work.data_type[row] = found.cause, found.category, found.data_type
    work.flops[mains] = found.flops * shares
    if found.queries is not None:
        work.queries[mains] = found.queries
    work.read_bytes[mains] = found.read_bytes * shares
    work.write_bytes[mains] = found.write_bytes * shares
    work.weights_bytes[mains] = found.weights_bytes * shares
    work.kv_cache_bytes[mains] = found.kv_cache_bytes * shares
    if finishing is None:
        return
    # What is known of the output: weights are only read; keys and values are written by what also reads them.
    for column in (work.flops, work.read_bytes, work.weights_bytes):
        column[finishing] = 0.0
    work.write_bytes[finishing], work.write_bytes[mains] = found.write_bytes, 0.0
    read_cache = min(found.kv_cache_bytes, found.read_bytes)
    work.kv_cache_bytes[finishing] = found.kv_cache_bytes - read_cache
    work.kv_cache_bytes[mains] = read_cache * shares
    work.cause[finishing] = Cause.MEMORY_KV_CACHE if found.kv_cache_bytes > read_cache else Cause.MEMORY_ACTIVATIONS
    work.category[finishing], work.data_type[finishing] = Category.OTHER, found.data_type
