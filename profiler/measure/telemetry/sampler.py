"""The telemetry process: samples on request, and answers each request with one line of JSON.

Started as `python -m profiler.measure.telemetry.sampler` by process.py. Its first line of input is a `SamplerConfig`,
which it answers with `ready`. Then `sample` makes it sample until `stop`, which it answers with a `Recording`: between
the two it neither writes nor wakes its parent. It ends when its input does, so it never outlives its parent.
It imports no torch, so it starts quickly and holds no device memory.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psutil

from profiler.device.driver import Driver, DriverUnavailable, QueryRefused
from profiler.device.gpu import Gpu
from profiler.measure.telemetry import gpm, host, nvml
from profiler.measure.telemetry.source import Quantity, Recording, Sample, TelemetrySource
from profiler.measure.worker import READY, Lines

# Where two sources read one quantity, the first of them that could is believed.
QUANTITIES: dict[str, tuple[Quantity, ...]] = {
    gpm.NAME: gpm.QUANTITIES,
    nvml.NAME: nvml.QUANTITIES,
    host.NAME: host.QUANTITIES,
}

SAMPLE = "sample"
STOP = "stop"


class SamplerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to sample: the process `pid`, and the GPU with this UUID if there is one."""

    pid: int
    gpu_uuid: str | None


Refused = dict[str, dict[str, str]]


def open_sources(config: SamplerConfig, library: Any = None) -> tuple[list[TelemetrySource], Refused]:
    """The sources that work here, and why the others do not. `library` stands in for pynvml."""
    sources: list[TelemetrySource] = []
    missing: dict[str, str] = {}
    try:
        if config.gpu_uuid is None:
            raise DriverUnavailable("the phase did not run on a GPU")
        gpu = Gpu(Driver.open(library), config.gpu_uuid)
    except (DriverUnavailable, QueryRefused) as error:
        missing = dict.fromkeys((gpm.NAME, nvml.NAME), error.reason)
    else:
        sources.append(nvml.NvmlSource(gpu))
        try:
            sources.append(gpm.GpmSource(gpu))
        except QueryRefused as error:
            missing[gpm.NAME] = error.reason
    try:
        sources.append(host.HostSource(config.pid))
    except psutil.Error as error:
        missing[host.NAME] = f"psutil: {error}"
    return sources, {source: _all_of(source, reason) for source, reason in missing.items()}


def record(sources: Sequence[TelemetrySource], clock: Callable[[], int], wait: Callable[[int], bool]) -> Recording:
    """Sample every source at its interval until `wait` says so.

    `clock` gives CLOCK_MONOTONIC in ns; `wait` waits so many ns, or less, and says whether to stop.
    """
    samples: list[Sample] = []
    due_ns: dict[str, int] = {}
    for source in sources:
        now_ns = clock()
        source.begin(now_ns)
        due_ns[source.name] = now_ns + source.interval_ns
    while not wait(max(0, min(due_ns.values(), default=0) - clock())):
        for source in sources:
            now_ns = clock()
            if now_ns >= due_ns[source.name]:
                samples += source.sample(now_ns)
                due_ns[source.name] = now_ns + source.interval_ns
    return Recording(samples=samples, refused={source.name: source.refused for source in sources if source.refused})


def main() -> None:
    """Serve the parent on stdin and stdout until stdin ends."""
    commands = Lines(sys.stdin.fileno())
    config = commands.wait()
    if config is None:
        return
    sources, missing = open_sources(msgspec.json.decode(config, type=SamplerConfig))
    _answer(READY.encode())
    while (command := commands.wait()) is not None:
        if command.decode() == SAMPLE:
            recording = record(
                sources, time.monotonic_ns, lambda ns: commands.wait(ns / 1e9) is not None or commands.ended
            )
            if commands.ended:
                break
            _answer(msgspec.json.encode(msgspec.structs.replace(recording, refused=missing | recording.refused)))
    for source in sources:
        source.close()


def _answer(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _all_of(source: str, reason: str) -> dict[str, str]:
    return {quantity.name: reason for quantity in QUANTITIES[source]}


if __name__ == "__main__":
    main()
