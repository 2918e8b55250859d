"""A device whose kernels move known bytes, its trace, and what a sampler with a clock of its own counts meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profiler.measure.counters.source import Counter, CounterRecording
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import copy, event, timeline_of

MARKER_BYTES = 128 * 2**20
MARKER_COPIES = 5
_COPY_US = 90.0
_PAUSES_US = (100.0, 300.0, 150.0, 500.0, 200.0)
SAMPLE_US = 21.0


@dataclass(frozen=True)
class Made:
    """One kernel of a step: its duration, its bytes, and how much of its time the matrix units work."""

    name: str
    us: float
    read: float
    written: float = 0.0
    tensor: float = 0.0


STEP = (
    Made("qkv", 16.0, 33.6e6, 2e4, tensor=0.1),
    Made("norm", 3.0, 4e4),
    Made("attention", 7.0, 2.2e6, tensor=0.05),
    Made("norm", 3.0, 4e4),
    Made("up", 45.0, 117.5e6, 5e4, tensor=0.12),
    Made("act", 4.0, 0.0, 5e6),
)


def counted_run(
    step: Sequence[Made] = STEP,
    *,
    iterations: Sequence[int] = (80,),
    offset_ns: int = -1_700_000_000_123_456_789,
    drift: float = 2e-5,
    noise_bytes: float = 1e5,
    gap_us: float = 1.0,
    sample_us: float = SAMPLE_US,
    seed: int = 0,
) -> tuple[Timeline, CounterRecording]:
    """Markers and iterations as the counted pass runs them, between 2 ms of nothing before and after."""
    random = np.random.default_rng(seed)
    rows: list[tuple[float, float, float, float, float]] = []
    events = []
    now = 2000.0

    def marker() -> None:
        nonlocal now
        for pause in _PAUSES_US:
            events.append(copy("Memcpy DtoD (Device -> Device)", now, _COPY_US, bytes=MARKER_BYTES))
            rows.append((now, now + _COPY_US, MARKER_BYTES, MARKER_BYTES, 0.0))
            now += _COPY_US + pause

    for count in iterations:
        marker()
        now += 200.0
        for _ in range(count):
            for made in step:
                us = made.us * random.uniform(0.98, 1.02)
                us = round(us, 3)
                events.append(event("kernel", made.name, round(now, 3), us, stream=7, device=0, grid=[8, 1, 1]))
                rows.append((now, now + us, made.read, made.written, made.tensor * us))
                now += us + gap_us
        now += 200.0
        marker()
    timeline = timeline_of(*events)
    start, end, read, written, tensor = np.array(rows).T
    edges = np.arange(0.0, now + 2000.0, sample_us)
    part = np.clip(np.minimum(edges[1:, None], end) - np.maximum(edges[:-1, None], start), 0.0, None) / (end - start)
    counted = {
        Counter.DRAM_READ: part @ read + random.normal(0.0, noise_bytes, len(part)),
        Counter.DRAM_WRITE: part @ written + np.abs(random.normal(0.0, noise_bytes / 100, len(part))),
        Counter.TENSOR_ACTIVE: part @ tensor / sample_us,
    }
    clock = (edges * 1e3 * (1 + drift)).round().astype(np.int64) + offset_ns
    return timeline, CounterRecording(
        start_ns=clock[:-1].tolist(),
        end_ns=clock[1:].tolist(),
        values={counter: column.tolist() for counter, column in counted.items()},
    )
