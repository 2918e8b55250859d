"""Are the ceilings true? Each against a bare torch measurement of the same thing, in this process, in turns (ABBA).

The bare side is plain torch: buffers of random numbers, a warm-up, some iterations between two CUDA events (on a CPU,
and where the host does the copying, between two clock readings). What it shares with the profiler is the definition:
a copy counts bytes read and bytes written, a read is the faster of a sum in two dtypes, a GEMM is 8192 x 8192 x 8192.

Claimed: copy, read, GEMM, and host-to-device copies from pinned and pageable memory within 3%.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from benchmarks._common import Row, abba, arguments, finish, median_ratio_over_blocks, stage
from benchmarks._workload import describe
from profiler.device.ceilings import UNITS, probes_of
from profiler.device.select import select_device

TOLERANCE = 0.03
GIB, MIB = 2**30, 2**20


def on_gpu_s(work: Callable[[], object], iterations: int = 20) -> float:
    """Seconds of one `work` between two CUDA events."""
    for _ in range(3):
        work()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(iterations):
        work()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3 / iterations


def on_host_s(work: Callable[[], object], iterations: int = 5) -> float:
    """Seconds of one `work` by the host's clock."""
    work()
    begin = time.perf_counter()
    for _ in range(iterations):
        work()
    return (time.perf_counter() - begin) / iterations


def bare_cuda(where: torch.device) -> dict[str, Callable[[], float]]:
    """The ceilings of a GPU: each a function that measures it once, in its unit."""
    source = torch.randn(GIB // 2, dtype=torch.bfloat16, device=where)
    target = torch.randn_like(source)
    singles = source.view(torch.float32)
    left, right = (torch.randn(8192, 8192, dtype=torch.bfloat16, device=where) for _ in range(2))
    product = torch.empty_like(left)
    pinned = torch.randint(0, 256, (256 * MIB,), dtype=torch.uint8).pin_memory()
    pageable = torch.randint(0, 256, (64 * MIB,), dtype=torch.uint8)
    landing = torch.empty_like(pinned, device=where)

    def from_pageable() -> None:
        landing[: len(pageable)].copy_(pageable)
        torch.cuda.synchronize()

    return {
        "copy": lambda: 2 * GIB / on_gpu_s(lambda: target.copy_(source)) / 1e9,
        "read": lambda: GIB / min(on_gpu_s(source.sum), on_gpu_s(singles.sum)) / 1e9,
        "gemm.bfloat16": lambda: 2 * 8192**3 / on_gpu_s(lambda: torch.mm(left, right, out=product)) / 1e12,
        "h2d.pinned": lambda: 256 * MIB / on_gpu_s(lambda: landing.copy_(pinned, non_blocking=True), 5) / 1e9,
        "h2d.pageable": lambda: 64 * MIB / on_host_s(from_pageable) / 1e9,
    }


def bare_cpu() -> dict[str, Callable[[], float]]:
    """The ceilings of a CPU: each a function that measures it once, in its unit."""
    source = torch.rand(256 * MIB // 4)
    target = torch.rand_like(source)
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    product = torch.empty_like(left)
    return {
        "copy": lambda: 2 * source.nbytes / on_host_s(lambda: target.copy_(source)) / 1e9,
        "read": lambda: source.nbytes / on_host_s(source.sum) / 1e9,
        "gemm.float32": lambda: 2 * 2048**3 / on_host_s(lambda: torch.mm(left, right, out=product)) / 1e12,
    }


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--blocks", type=int, default=100, help="pairs of measurements (default: %(default)s)")
    options = parser.parse_args()
    device = select_device(options.device)
    on_gpu = device.properties.kind == "cuda"
    probes = probes_of(device)
    bare = bare_cuda(torch.device(device.torch_device)) if on_gpu else bare_cpu()
    samples: dict[str, tuple[list[float], list[float]]] = {}
    for name in bare:
        sides = (probes[name], bare[name])
        for measure in sides:
            measure()  # allocates, and wakes the clocks
        samples[name] = ([0.0] * options.blocks, [0.0] * options.blocks)
        with stage(f"{name}, {options.blocks} pairs"):
            for pair, side in abba(options.blocks):
                samples[name][side][pair] = sides[side]()
    rows = [row_of(name, *pairs) for name, pairs in samples.items()]
    details: dict[str, Any] = {"environment": describe(device), "samples": samples}
    return finish(f"Ceilings against bare torch: {device.properties.name}", rows, options.out, details)


def row_of(name: str, ours: list[float], bare: list[float]) -> Row:
    """The claim on one ceiling."""
    ratio = median_ratio_over_blocks(ours, bare)
    return Row(
        f"{name}, profiler / bare",
        ratio,
        "",
        claim=f"{1 - TOLERANCE:.2f} .. {1 + TOLERANCE:.2f}",
        holds=abs(ratio.value - 1) <= TOLERANCE,
        note=f"{median(ours):.4g} / {median(bare):.4g} {UNITS[name]}",
    )


if __name__ == "__main__":
    sys.exit(main())
