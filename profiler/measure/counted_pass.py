"""The counted pass: iterations traced while the counters' process samples the device, between markers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch

from profiler.clock import Clock
from profiler.device.base import Device
from profiler.measure.counters.source import CounterGroup, CounterRecording
from profiler.measure.cycle import Cycle
from profiler.measure.quiet import garbage_collector_off
from profiler.measure.tracing import device_trace
from profiler.workload.phase import RunnablePhase

MARKER_BYTES = 128 * 2**20  # twice any L2 there is, so that each copy reads and writes memory
# Milliseconds after each of a marker's copies. No two neighbours are alike, so the marker fits in one place only.
MARKER_PAUSES_MS = (0.1, 0.3, 0.15, 0.5, 0.2, 0.4, 0.1, 0.25, 0.2)
MARKER_COPIES = len(MARKER_PAUSES_MS)
# Of iterations. 20,000 samples of traffic are enough for a hundred kernels; of the units, 5,000 coarser ones are.
COUNTED_SECONDS = {CounterGroup.TRAFFIC: 0.4, CounterGroup.UNITS: 0.25}
MOST_SECONDS = 1.0  # with markers, of which a short phase that is reset often has many
MOST_ITERATIONS = 400  # of a tiny phase, whose trace would grow large
FEWEST_ITERATIONS = 3  # the first may be left out, and an error needs more than one


class Counters(Protocol):
    """What counts meanwhile: a `CounterProcess`, or a stand-in."""

    def begin(self, group: CounterGroup) -> str | None:
        """Count this from now on: None once it does, else why it cannot."""

    def end(self) -> CounterRecording:
        """What was counted since."""


@dataclass(frozen=True, slots=True)
class CountedPass:
    """What was recorded: the device's side as a gzipped Chrome trace, and the samples. `iterations` lie one number
    between each two markers. `failure` says why there is no trace.
    """

    trace: bytes | None
    recording: CounterRecording
    iterations: list[int] = field(default_factory=list)
    failure: str | None = None


def record_counted(
    phase: RunnablePhase,
    device: Device,
    counters: Counters,
    clock: Clock,
    group: CounterGroup = CounterGroup.TRAFFIC,
    *,
    seconds: float | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> CountedPass:
    """Trace iterations of the phase for `seconds` (as long as the group needs) while the device is sampled.

    Resets lie outside the markers.

    Tracing and sampling slow the host, so only what the device did in each kernel is to be read from this.
    """
    try:
        marker = _Marker(device, pause)
    except torch.OutOfMemoryError:
        return _failed(f"no device memory is left for the marker ({2 * MARKER_BYTES / 2**20:.0f} MiB)")
    iterations: list[int] = []
    with garbage_collector_off(), device_trace(device) as export:
        # Only now: the tracer's first start can take seconds, in which the sampler's buffer would run over.
        if reason := counters.begin(group):
            return _failed(reason)
        try:
            wanted_s = COUNTED_SECONDS[group] if seconds is None else seconds
            _run(phase, device, marker, clock, round(wanted_s * 1e9), iterations)
        finally:
            recording = counters.end()
    return CountedPass(export(), recording, iterations)


def _run(
    phase: RunnablePhase,
    device: Device,
    marker: _Marker,
    clock: Clock,
    wanted_ns: int,
    iterations: list[int],
) -> None:
    """Sections of a marker, iterations until the phase needs a reset, and a marker; `iterations` counts each one's."""
    cycle = Cycle(phase, device)
    most_ns = round(MOST_SECONDS * 1e9)
    spent_ns, sections_ns, total = 0, 0, 0
    while total < FEWEST_ITERATIONS or (spent_ns < wanted_ns and total < MOST_ITERATIONS and sections_ns < most_ns):
        cycle.prepare()
        section_ns = clock()
        marker.run()
        begin_ns = clock()
        count = 0
        while True:
            phase.iterate()
            count += 1
            now_ns = clock()
            enough = spent_ns + now_ns - begin_ns >= wanted_ns and total + count >= FEWEST_ITERATIONS
            if enough or total + count >= MOST_ITERATIONS or cycle.needs_reset:
                break
            cycle.prepare()
        device.synchronize()
        marker.run()
        iterations.append(count)
        total += count
        spent_ns += now_ns - begin_ns
        sections_ns += clock() - section_ns


class _Marker:
    """Copies of a known size within the device, in a rhythm of its own, each alone on the device."""

    def __init__(self, device: Device, pause: Callable[[float], None]) -> None:
        self._source = torch.zeros(MARKER_BYTES, dtype=torch.uint8, device=device.torch_device)
        self._target = torch.empty_like(self._source)
        self._device = device
        self._pause = pause
        self.run()  # the first copy sets things up

    def run(self) -> None:
        """One marker; the device is idle before and after."""
        self._device.synchronize()
        for pause_ms in MARKER_PAUSES_MS:
            self._target.copy_(self._source)
            self._device.synchronize()
            self._pause(pause_ms / 1e3)


def _failed(reason: str) -> CountedPass:
    return CountedPass(None, CounterRecording(failure=reason), failure=reason)
