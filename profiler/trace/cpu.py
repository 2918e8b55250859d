"""Where the CPU is the device: the operations that compute take the place of kernels."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from profiler.trace.timeline import Activity, DeviceEvents, Ints, Operations, Timeline

# Operations whose work, if there is any, is done by an operation within them.
_VIEWS = """_reshape_alias _unsafe_view alias as_strided chunk detach detach_ diagonal expand expand_as movedim
    narrow permute resolve_conj resolve_neg select slice split split_with_sizes squeeze squeeze_
    swapaxes t transpose transpose_ unbind unflatten unfold unsqueeze unsqueeze_ view view_as"""
_METADATA = "_local_scalar_dense item lift_fresh result_type set_"
_ALLOCATIONS = """empty empty_like empty_strided full full_like new_empty new_empty_strided new_full new_zeros ones
    ones_like resize_ zeros zeros_like"""
_WRAPPERS = "_to_copy broadcast_tensors clone contiguous flatten linear matmul reshape to"
_DISPATCH_ONLY = frozenset(f"aten::{name}" for name in f"{_VIEWS} {_METADATA} {_ALLOCATIONS} {_WRAPPERS}".split())
# What a computing operation may call to prepare its inputs or its output; it still computes itself.
_PREPARATION = frozenset(
    f"aten::{name}" for name in ("to", "_to_copy", "clone", "contiguous", "copy_", "fill_", "zero_")
)


def with_cpu_activities(timeline: Timeline) -> Timeline:
    """The same timeline with a device event for each operation that computes; unchanged if it has device events.

    These are operations of the busiest thread that are neither views nor wrappers of others. Each ends when the
    operation ends and lasts for its self time (without the operations within it), or since the last event within it:
    what an operation calls prepares its work. They are kernels on stream 0 of device -1 that do not overlap, with
    `operation` set, no launch call and no grid.
    """
    operations = timeline.operations
    if len(timeline.device) or not len(operations):
        return timeline
    busiest = np.bincount(operations.thread, operations.end_ns - operations.start_ns).argmax()
    computes = _computes(operations, timeline.names) & (operations.thread == busiest)
    start_ns = np.maximum(operations.end_ns - _self_time(operations), _last_end_within(operations, computes))
    rows = np.flatnonzero(computes & (start_ns < operations.end_ns))
    rows = rows[np.argsort(start_ns[rows], kind="stable")]
    return replace(timeline, device=_as_device_events(operations, rows, start_ns[rows]))


def _computes(operations: Operations, names: list[str]) -> NDArray[np.bool_]:
    name = [names[row] for row in operations.name.tolist()]
    parent = operations.parent.tolist()
    computes = np.zeros(len(name), np.bool_)
    wraps = [False] * len(name)  # an operation within it does its work
    for row in reversed(range(len(name))):  # what lies within comes after
        computes[row] = name[row] not in _DISPATCH_ONLY and not wraps[row]
        if parent[row] >= 0 and (computes[row] or wraps[row]) and name[row] not in _PREPARATION:
            wraps[parent[row]] = True
    return computes


def _self_time(operations: Operations) -> Ints:
    duration = operations.end_ns - operations.start_ns
    has_parent = operations.parent >= 0
    children = np.zeros(len(operations), np.int64)
    np.add.at(children, operations.parent[has_parent], duration[has_parent])
    return duration - children


def _last_end_within(operations: Operations, computes: NDArray[np.bool_]) -> Ints:
    """When the last computing operation within each operation ended; the operation's start where there is none."""
    last = np.full(len(operations), np.iinfo(np.int64).min)
    parent = operations.parent.tolist()
    for row in reversed(range(len(last))):  # what lies within comes after
        if parent[row] >= 0:
            last[parent[row]] = max(last[parent[row]], operations.end_ns[row] if computes[row] else last[row])
    bounded: Ints = np.maximum(last, operations.start_ns)
    return bounded


def _as_device_events(operations: Operations, rows: Ints, start_ns: Ints) -> DeviceEvents:
    count = len(rows)
    unknown = np.full(count, -1, np.int64)
    return DeviceEvents(
        start_ns=start_ns,
        end_ns=operations.end_ns[rows],
        kind=np.full(count, Activity.KERNEL, np.int64),
        name=operations.name[rows],
        device=unknown,
        stream=np.zeros(count, np.int64),
        correlation=unknown,
        bytes=unknown,
        pageable=np.zeros(count, np.bool_),
        grid=np.full((count, 3), -1, np.int64),
        block=np.full((count, 3), -1, np.int64),
        registers=unknown,
        shared_bytes=unknown,
        call=unknown,
        operation=rows,
        group=unknown,
    )
