"""Which ways of sampling hardware counters work on this GPU, what they cost, and what each phase's counting takes.

    python -m benchmarks.counter_ways --out DIR

Run it from the project's root on a GPU with counter permission; it takes about a minute. What to look at:

- Ways: each samples copies of known size and then matrix products, 0.5 s in all. `off` must be within 0.1% of 0. The
  matrix pipes must be busy in the products only. `mended` and `lost` samples came without times: if there are some in
  a way that decodes once, its image is full too early; if `full` goes with them, times are lost when an image fills.
  The first way of each group that is right belongs first in profiler/measure/counters/ways.py.
- Phases: `explained` near 100%, `misfit` under 10%; an eager prefill, which is reset before each iteration, must be
  counted; the seconds show which leg is slow.
- The comparison with Nsight Compute is a benchmark of its own (`python -m benchmarks.truth counters`): when its steps
  were captured and looked at stands in its output.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import torch

from benchmarks._one_way import Decoding
from benchmarks._workload import describe
from benchmarks.truth.captured import captured_decode
from benchmarks.truth.counted_step import load_layers, spec_of
from profiler.attribute.counted import Counted, CountersUnusable, count_kernels
from profiler.device.base import Device
from profiler.device.select import open_driver, select_device
from profiler.measure.counted_pass import MARKER_BYTES, MARKER_COPIES, Counters, record_counted
from profiler.measure.counters.process import INTERVAL_NS, CounterProcess
from profiler.measure.counters.source import Counter, CounterGroup, CounterRecording
from profiler.measure.counters.ways import WAYS
from profiler.session.machine import counters_of
from profiler.trace.kineto import read_kineto
from profiler.workload.engines.eager import EagerEngine
from profiler.workload.phase import RunnablePhase

_COPY_BYTES = 1 << 30
_COPIES = 300
_WIDTH = 8192  # of the matrices
_PRODUCTS_S = 0.2


@dataclass(frozen=True, slots=True)
class WayResult:
    """One way of sampling: what it was asked, what came, and what that cost. `failure` says why nothing did."""

    group: str
    way: str
    failure: str | None = None
    begin_s: float = 0.0
    end_s: float = 0.0
    samples: int = 0
    sample_us: float = 0.0
    off: float = 0.0
    tensor_in_copies: float | None = None
    tensor_in_products: float | None = None
    decodings: tuple[Decoding, ...] = ()

    def __str__(self) -> str:
        """One line."""
        if self.failure:
            return f"{self.group:8} {self.way:34} {self.failure}"
        full = sum(one.samples >= one.room for one in self.decodings)
        timeless = sum(one.timeless for one in self.decodings)
        each_us = 1e6 * sum(one.seconds for one in self.decodings) / max(self.samples, 1)
        seen = (self.tensor_in_copies, self.tensor_in_products)
        busy = " -> ".join("?" if one is None else f"{one:.2f}" for one in seen)
        return (
            f"{self.group:8} {self.way:34} {self.samples:6} samples of {self.sample_us:.2f} us, off {self.off:+.2%}, "
            f"matrix pipes {busy}, {len(self.decodings)} decodings of {each_us:.0f} us a sample ({full} full), "
            f"{timeless} without times, begin {self.begin_s:.1f} s, end {self.end_s:.1f} s"
        )


def try_way(device: Device, group: CounterGroup, index: int, folder: Path) -> WayResult:
    """Copies of known size, then products, under one way of sampling in a process of its own."""
    way = WAYS[group][index].described(INTERVAL_NS)
    file = folder / f"{group}-{index}.json"
    source = torch.zeros(_COPY_BYTES, dtype=torch.uint8, device=device.torch_device)
    target = torch.empty_like(source)
    factor = torch.randn(_WIDTH, _WIDTH, dtype=torch.bfloat16, device=device.torch_device)
    for _ in range(2):
        target.copy_(source)
        factor @ factor
    device.synchronize()
    command = [sys.executable, "-P", "-m", "benchmarks._one_way", group, str(index), str(file)]
    with CounterProcess(device.properties.uuid, command=command) as counters:
        begun_s = time.monotonic()
        if refusal := counters.begin(group):
            return WayResult(group, way, failure=refusal)
        begin_s = time.monotonic() - begun_s
        for _ in range(_COPIES):
            target.copy_(source)
        device.synchronize()
        products_s = time.monotonic() + _PRODUCTS_S
        while time.monotonic() < products_s:
            factor @ factor
            device.synchronize()
        begun_s = time.monotonic()
        recording = counters.end()
        end_s = time.monotonic() - begun_s
    decodings = msgspec.json.decode(file.read_bytes(), type=tuple[Decoding, ...])
    if not len(recording):
        return WayResult(group, way, failure=recording.failure, begin_s=begin_s, end_s=end_s, decodings=decodings)
    return WayResult(
        group,
        way,
        recording.failure,
        begin_s,
        end_s,
        len(recording),
        median(end - start for start, end in zip(recording.start_ns, recording.end_ns, strict=True)) / 1e3,
        *seen(recording),
        decodings,
    )


def seen(recording: CounterRecording) -> tuple[float, float | None, float | None]:
    """How far the bytes written are off (products write next to none), and the matrix pipes in copies and products."""
    written = recording.values[Counter.DRAM_WRITE]
    copies = [row for row, amount in enumerate(written) if amount > 0.5 * max(written)]
    first, last = copies[0], copies[-1]
    off = sum(written[max(first - 1, 0) : last + 2]) / (_COPIES * _COPY_BYTES) - 1
    tensor = recording.values.get(Counter.TENSOR_ACTIVE)
    if tensor is None:
        return off, None, None
    return off, median(tensor[first:last]), median(tensor[last + 5 :] or [0.0])


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """One recording of a phase, leg by leg."""

    phase: str
    group: str
    record_s: float
    read_s: float = 0.0
    attribute_s: float = 0.0
    iterations: int = 0
    samples: int = 0
    misfit: float = 0.0
    explained: float = 0.0
    whole: dict[str, float] | None = None
    failure: str | None = None

    def __str__(self) -> str:
        """One line."""
        seconds = f"recording {self.record_s:.1f} s, reading {self.read_s:.1f} s, attributing {self.attribute_s:.1f} s"
        if self.whole is None:
            return f"{self.phase:16} {self.group:8} {self.failure} ({seconds})"
        whole = ", ".join(f"{counter} {value:.4g}" for counter, value in self.whole.items())
        return (
            f"{self.phase:16} {self.group:8} {self.iterations} iterations, {self.samples} samples, misfit "
            f"{self.misfit:.1%}, explained {self.explained:.1%}, {seconds}\n    an iteration: {whole}"
        )


def try_phase(name: str, phase: RunnablePhase, device: Device, counters: Counters, group: CounterGroup) -> PhaseResult:
    """One recording of a phase as a profile makes it."""
    marks_s = [time.monotonic()]
    passed = record_counted(phase, device, counters, time.monotonic_ns, group)
    marks_s.append(time.monotonic())
    if passed.trace is None:
        return PhaseResult(name, group, marks_s[1] - marks_s[0], failure=passed.failure)
    timeline = read_kineto(passed.trace)
    marks_s.append(time.monotonic())
    counted: Counted | CountersUnusable
    try:
        counted = count_kernels(
            timeline,
            passed.recording,
            marker_bytes=MARKER_BYTES,
            marker_copies=MARKER_COPIES,
            iterations=passed.iterations,
        )
    except CountersUnusable as refusal:
        counted = refusal
    marks_s.append(time.monotonic())
    legs_s = [after - before for before, after in pairwise(marks_s)]
    if isinstance(counted, CountersUnusable):
        return PhaseResult(name, group, *legs_s, failure=f"{counted} {passed.recording.given_up or ''}")
    return PhaseResult(
        name,
        group,
        *legs_s,
        iterations=counted.iterations,
        samples=counted.samples,
        misfit=counted.misfit,
        explained=counted.explained_ratio,
        whole={str(counter): value for counter, value in counted.whole.items()},
        failure=passed.recording.failure,
    )


def phases(device: Device, *, small: bool = False) -> Iterator[tuple[str, RunnablePhase]]:
    """A prefill, which is reset before each iteration, and a captured decode step."""
    loaded, model = load_layers(device, small=small)
    spec = spec_of(model, 1, 16 if small else 512)
    yield "eager prefill", EagerEngine(loaded, spec, device).prefill()
    yield "captured decode", captured_decode("decode", loaded, spec, device)


def main(arguments: list[str] | None = None) -> int:
    """Try everything and write it down; 1 if nothing could be counted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counter_ways", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N (default: auto)")
    parser.add_argument("--small", action="store_true", help="a tiny model: shows that it runs")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    device = select_device(options.device, driver=open_driver())
    results: dict[str, Any] = {"environment": describe(device), "ways": [], "phases": []}
    for group, ways in WAYS.items() if device.properties.kind == "cuda" else ():
        for index in range(len(ways)):
            _keep(options.out, results, "ways", try_way(device, group, index, options.out))
    device.empty_cache()
    with counters_of(device) as counters:
        for name, phase in phases(device, small=options.small):
            phase.reset()
            for _ in range(0 if options.small else min(3, phase.iterations_per_reset)):
                phase.iterate()
            for group in CounterGroup:
                _keep(options.out, results, "phases", try_phase(name, phase, device, counters, group))
    return int(all(result["failure"] for result in results["phases"]))


def _keep(folder: Path, results: dict[str, Any], part: str, result: WayResult | PhaseResult) -> None:
    """Print it and write all there is so far: a run that is cut short leaves what it found."""
    print(result, flush=True)
    results[part].append(msgspec.to_builtins(result))
    (folder / "counter_ways.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))


if __name__ == "__main__":
    sys.exit(main())
