"""What runs at the same time as what: streams, kernels, and the copies between host and device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiler.report.records import Copies, Stream, Streams
from profiler.report.source import Source, Sources
from profiler.report.vocabulary import Tier
from profiler.trace import intervals
from profiler.trace.distinct import distinct, values
from profiler.trace.timeline import Activity, Ints, Timeline

_NS_PER_MS = 1e6
_TRANSFERS = (Activity.H2D, Activity.D2H, Activity.P2P)
_DIRECTIONS = {"h2d": Activity.H2D, "d2h": Activity.D2H}

Rows = NDArray[np.bool_]


def stream_overlap(timeline: Timeline) -> Streams:
    """Busy time per stream and how the streams overlap; the times of several devices add up.

    Copies are those that leave the device (H2D, D2H, peer to peer). Copies and memsets within it use the same memory
    as kernels and count as such. `concurrent_kernels_ms` is the time under two kernels or more.
    """
    device = timeline.device
    lanes = distinct(device.device, device.stream).tolist()
    several_devices = len({number for number, _ in lanes}) > 1
    is_copy = np.isin(device.kind, _TRANSFERS)
    streams = []
    for number, stream in lanes:
        mine = (device.device == number) & (device.stream == stream)
        streams.append(
            Stream(
                stream=f"{number}:{stream}" if several_devices else str(stream),
                busy_ms=intervals.total(_spans(timeline, mine)) / _NS_PER_MS,
                kernels=int((mine & ~is_copy).sum()),
                copies=int((mine & is_copy).sum()),
            )
        )
    busy_ns = kernel_ns = copy_ns = overlapped_ns = concurrent_ns = 0
    for number in values(device.device).tolist():
        mine = device.device == number
        kernels, copies = _spans(timeline, mine & ~is_copy), _spans(timeline, mine & is_copy)
        busy_ns += intervals.total(_spans(timeline, mine))
        kernel_ns += intervals.total(kernels)
        copy_ns += intervals.total(copies)
        overlapped_ns += intervals.total(intervals.intersect(copies, kernels))
        concurrent_ns += intervals.total(intervals.covered_twice(kernels))
    sources: Sources = {
        name: Source(tier=Tier.TIMELINE)
        for name in ("busy_ms", "kernel_ms", "copy_ms", "copy_overlapped_ms", "concurrent_kernels_ms")
    }
    sources["copy_overlap_ratio"] = (
        Source(tier=Tier.TIMELINE) if copy_ns else Source(missing="nothing was copied to or from the device")
    )
    sources["imbalance_ratio"] = (
        Source(tier=Tier.TIMELINE) if len(streams) > 1 else Source(missing="fewer than two streams were used")
    )
    busy_of_streams = [stream.busy_ms for stream in streams]
    return Streams(
        streams=streams,
        busy_ms=busy_ns / _NS_PER_MS,
        kernel_ms=kernel_ns / _NS_PER_MS,
        copy_ms=copy_ns / _NS_PER_MS,
        copy_overlapped_ms=overlapped_ns / _NS_PER_MS,
        copy_overlap_ratio=overlapped_ns / copy_ns if copy_ns else None,
        concurrent_kernels_ms=concurrent_ns / _NS_PER_MS,
        imbalance_ratio=_imbalance(busy_of_streams) if len(streams) > 1 else None,
        sources=sources,
    )


def host_copies(timeline: Timeline) -> list[Copies]:
    """The copies between host and device by direction (`h2d`, `d2h`) and host memory (`pinned`, `pageable`, `unknown`).

    `busy_ms` is the time under such a copy; `exposed_ms` is the part of it during which nothing else ran on that
    device. AMD's traces do not say which memory, and old ones not how many bytes: the rate is null then.
    """
    device = timeline.device
    memory = _host_memory(timeline)
    found = []
    for direction, kind in _DIRECTIONS.items():
        for where in ("pinned", "pageable", "unknown"):
            mine = (device.kind == kind) & (memory == where)
            if mine.any():
                found.append(_copies(timeline, mine, direction, where))
    return found


def _copies(timeline: Timeline, mine: Rows, direction: str, memory: str) -> Copies:
    device = timeline.device
    work = ~np.isin(device.kind, _TRANSFERS)
    busy_ns = exposed_ns = 0
    for number in values(device.device[mine]).tolist():
        here = device.device == number
        copies = _spans(timeline, mine & here)
        busy_ns += intervals.total(copies)
        exposed_ns += intervals.total(intervals.subtract(copies, _spans(timeline, work & here)))
    sizes = device.bytes[mine]
    known = bool((sizes >= 0).all()) and busy_ns > 0
    sources: Sources = {name: Source(tier=Tier.TIMELINE) for name in ("bytes", "busy_ms", "exposed_ms")}
    sources["gb_per_s"] = (
        Source(tier=Tier.TIMELINE) if known else Source(missing="the trace does not say how many bytes were copied")
    )
    if not known:
        sources["bytes"] = Source(missing="the trace does not say how many bytes were copied")
    return Copies(
        direction=direction,
        memory=memory,
        bytes=int(sizes.sum()) if known else None,
        copies=int(mine.sum()),
        busy_ms=busy_ns / _NS_PER_MS,
        exposed_ms=exposed_ns / _NS_PER_MS,
        gb_per_s=int(sizes.sum()) / busy_ns if known else None,
        sources=sources,
    )


def _host_memory(timeline: Timeline) -> NDArray[np.str_]:
    """Which host memory each copy uses, by its name: "Memcpy HtoD (Pageable -> Device)"."""
    texts = ["pageable" if "Pageable" in n else "pinned" if "Pinned" in n else "unknown" for n in timeline.names]
    return np.array(texts)[timeline.device.name] if texts else np.empty(0, np.str_)


def _imbalance(busy_ms: list[float]) -> float | None:
    longest = max(busy_ms)
    return 1 - sum(busy_ms) / len(busy_ms) / longest if longest > 0 else None


def _spans(timeline: Timeline, rows: Rows) -> Ints:
    return intervals.from_columns(timeline.device.start_ns[rows], timeline.device.end_ns[rows])
