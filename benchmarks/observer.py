"""Does measuring change what is measured? The clean pass against a bare loop, in interleaved blocks (ABBA).

Both sides run the same architecture with the same sizes, over the same context lengths, in this process, each with a
model of its own unless --share-model. The bare loop (bare_loop.py) knows nothing of the profiler: its time per token
is the gap between two tokens, whatever lies in between. On both sides every context length has been met before, and
Python's garbage collector runs as it does by default. What a library does at the first meeting of a length (cuDNN plans
its attention) is in neither side, but in the last row.

Claimed, as 95% intervals over the pairs of blocks: eager TPOT and TTFT within 0.98 to 1.02 of the bare loop's, TPOT
of a captured step within 0.99 to 1.01. The claims are on medians; the ratio of the means is shown beside them.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from statistics import fmean, median
from typing import Any

from benchmarks._common import (
    Estimate,
    Row,
    abba,
    arguments,
    finish,
    lies_within,
    median_ratio_over_blocks,
    ratio_over_blocks,
    stage,
)
from benchmarks._workload import describe, load_preset_model
from benchmarks.bare_loop import GraphLoop, Timings, build_model, generate_eager, make_prompt
from profiler.catalogue.presets import load_preset
from profiler.device.base import Device
from profiler.device.host_work import HostWork
from profiler.device.select import select_device
from profiler.measure.clean import measure_clean, time_iterations
from profiler.measure.cycle import Cycle
from profiler.measure.pace import HostPace, Pacer
from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.workload.engines import Phases
from profiler.workload.phase import RunnablePhase
from profiler.workload.spec import WorkloadSpec

TOLERANCE = {"eager": 0.02, "graph": 0.01}
STEPS = 7  # of an eager block; the first comes after a prefill on one side and a reset on the other: left out
PREFILLS = 2  # of an eager block
GRAPH_BLOCKS = 8  # whole requests: a captured step does not depend on the host

Blocks = tuple[list[list[float]], list[list[float]]]
"""Samples in ms of each block: those of the clean pass, those of the bare loop."""


def clean_samples(phase: RunnablePhase, device: Device, iterations: int, warmup_seconds: float = 0.3) -> list[float]:
    """One block of the clean pass: so many iterations after its warm-up.

    The pass stays within the context lengths that it has warmed up, so for a decode `warmup_seconds` must be the time
    of all its steps: then it measures the same ones as the bare loop.
    """
    plan = dataclasses.replace(
        Plan.standard(),
        repeats=1,
        most_iterations=iterations,
        repeat_seconds=1e6,
        warmup_seconds=warmup_seconds,
        most_warmup_seconds=10 + 4 * warmup_seconds,
    )
    return measure_clean(phase, device, time.monotonic_ns, plan, SilentProgress(), pace_of(device)).wall_ms[0]


def pace_of(device: Device) -> HostPace | None:
    """The probes that the clean pass makes between iterations: they must not slow these. Times are by the clock."""
    return HostPace(HostWork(device.torch_device), 1.0) if device.properties.kind == "cuda" else None


def interleave(blocks: int, ours: Callable[[], list[float]], theirs: Callable[[], list[float]]) -> Blocks:
    """Run the blocks of both sides in turn."""
    found: Blocks = ([[] for _ in range(blocks)], [[] for _ in range(blocks)])
    for pair, side in abba(blocks):
        found[side][pair] = (ours, theirs)[side]()
    return found


def rows_of(name: str, blocks: Blocks, tolerance: float) -> list[Row]:
    """The claim on the ratio of the blocks' medians, that of their means, and what both sides measured."""
    ours, theirs = blocks
    medians = median_ratio_over_blocks([median(block) for block in ours], [median(block) for block in theirs])
    means = ratio_over_blocks([fmean(block) for block in ours], [fmean(block) for block in theirs])
    low, high = 1 - tolerance, 1 + tolerance
    both = [median(sample for block in side for sample in block) for side in blocks]
    return [
        Row(
            f"{name}, clean / bare",
            medians,
            "",
            claim=f"{low:.2f} .. {high:.2f}",
            holds=lies_within(medians, low, high),
            note=f"{both[0]:.3f} / {both[1]:.3f} ms",
        ),
        Row(f"{name}, ratio of means", means, ""),
    ]


def eager_rows(options: Any, bare: Any, phases: Phases, device: Device, details: dict[str, Any]) -> list[Row]:
    """TTFT and TPOT of the eager loop: a host's speed changes within a second, so the blocks are a few steps long."""
    prompt = make_prompt(bare, options.prompt_tokens)

    def request(new_tokens: int) -> Timings:
        return generate_eager(bare, prompt, new_tokens)

    def ours(phase: RunnablePhase, cycle: Cycle, iterations: int) -> list[float]:
        """What the clean pass does in a repeat."""
        wall_ms: list[float] = []
        cycle.reset()
        pacer = None if pace is None else Pacer(pace, device, time.monotonic_ns)
        time_iterations(phase, cycle, time.monotonic_ns, iterations, stopwatches[:iterations] or None, wall_ms, pacer)
        device.synchronize()
        return wall_ms

    pace = pace_of(device)

    stopwatches = [watch for watch in (device.stopwatch() for _ in range(STEPS)) if watch is not None]
    with stage("eager: the first requests"):
        first = request(STEPS + 1)
        request(STEPS + 1)
        decoding, prefilling = Cycle(phases.decode, device), Cycle(phases.prefill, device)
        for _ in range(2):
            ours(phases.decode, decoding, STEPS)
            ours(phases.prefill, prefilling, PREFILLS)
    with stage(f"eager: TPOT, {options.blocks} pairs of blocks"):
        decode = interleave(
            options.blocks,
            lambda: ours(phases.decode, decoding, STEPS)[1:],
            lambda: [gap * 1e3 for gap in request(STEPS + 1).gaps_s[1:]],
        )
    with stage(f"eager: TTFT, {options.blocks} pairs of blocks"):
        prefill = interleave(
            options.blocks,
            lambda: ours(phases.prefill, prefilling, PREFILLS),
            lambda: [request(1).ttft_s * 1e3 for _ in range(PREFILLS)],
        )
    details["eager"] = {"tpot_ms": decode, "ttft_ms": prefill, "first_request_gaps_ms": [g * 1e3 for g in first.gaps_s]}
    return [
        *rows_of("eager TPOT", decode, TOLERANCE["eager"]),
        *rows_of("eager TTFT", prefill, TOLERANCE["eager"]),
        Row("TPOT of the very first bare request", Estimate(median(first.gaps_s) * 1e3), "ms", note="nothing cached"),
    ]


def graph_rows(options: Any, bare: Any, phases: Phases, device: Device, details: dict[str, Any]) -> list[Row]:
    """TPOT of the captured step."""
    steps = options.new_tokens - 1
    with stage("graph: capturing"):
        loop = GraphLoop(bare, make_prompt(bare, options.prompt_tokens), options.new_tokens)
        loop.generate()
        warmup_seconds = sum(loop.generate().gaps_s)
        clean_samples(phases.decode, device, steps, warmup_seconds)

    def bare_decode() -> list[float]:
        loop.generate()
        return [gap * 1e3 for gap in loop.generate().gaps_s]

    with stage(f"graph: TPOT, {GRAPH_BLOCKS} pairs of blocks"):
        decode = interleave(
            GRAPH_BLOCKS, lambda: clean_samples(phases.decode, device, steps, warmup_seconds), bare_decode
        )
    details["graph"] = {"tpot_ms": decode}
    return rows_of("graph TPOT", decode, TOLERANCE["graph"])


def measure(options: argparse.Namespace) -> tuple[str, list[Row], dict[str, Any]]:
    """Title, claims and samples of the comparison that `options` ask for."""
    device = select_device(options.device)
    modes = options.modes or (["eager", "graph"] if device.properties.kind == "cuda" else ["eager"])
    spec = WorkloadSpec(
        model=options.model, weights="random", prompt_tokens=options.prompt_tokens, new_tokens=options.new_tokens
    )
    with stage("building"):
        loaded = load_preset_model(spec, device)
        bare = loaded.model
        if not options.share_model:
            bare = build_model(load_preset(options.model).config, device.torch_device)
    details: dict[str, Any] = {"environment": describe(device), "options": vars(options) | {"out": None}}
    rows: list[Row] = []
    for mode in modes:
        phases = Phases(loaded, dataclasses.replace(spec, mode=mode), device)
        rows += (eager_rows if mode == "eager" else graph_rows)(options, bare, phases, device, details)
    title = (
        f"The clean pass against a bare loop: {options.model}, prompt {options.prompt_tokens}, {device.properties.name}"
    )
    return title, rows, details


def options_parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--model", default="llama-3.1-8b", help="a preset (default: %(default)s)")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=400, help="pairs of eager blocks (default: %(default)s)")
    parser.add_argument("--modes", nargs="+", choices=["eager", "graph"], help="default: eager, on a GPU graph too")
    parser.add_argument("--share-model", action="store_true", help="one model for both sides, where two do not fit")
    return parser


def main() -> int:
    options = options_parser().parse_args()
    title, rows, details = measure(options)
    return finish(title, rows, options.out, details)


if __name__ == "__main__":
    sys.exit(main())
