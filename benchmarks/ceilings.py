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
from _common import Row, abba, arguments, finish, ratio_over_blocks, stage
from _workload import describe

from profiler.device.base import Device
from profiler.device.ceilings import UNITS, measure_ceilings, probes_of
from profiler.device.select import select_device
from profiler.session.machine import now

TOLERANCE = 0.03
GIB, MIB = 2**30, 2**20
CUDA_CEILINGS = ("copy", "read", "gemm.bfloat16", "h2d.pinned", "h2d.pageable")
CPU_CEILINGS = ("copy", "read", "gemm.float32")


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


def bare_cuda(where: torch.device) -> dict[str, float]:
    """The ceilings of a GPU, each in its unit."""
    source = torch.randn(GIB // 2, dtype=torch.bfloat16, device=where)
    target = torch.randn_like(source)
    singles = source.view(torch.float32)
    left, right = (torch.randn(8192, 8192, dtype=torch.bfloat16, device=where) for _ in range(2))
    product = torch.empty_like(left)
    pageable = torch.randint(0, 256, (256 * MIB,), dtype=torch.uint8)
    pinned = pageable.pin_memory()
    landing = torch.empty_like(pageable, device=where)

    def from_pageable() -> None:
        landing.copy_(pageable)
        torch.cuda.synchronize()

    return {
        "copy": 2 * GIB / on_gpu_s(lambda: target.copy_(source)) / 1e9,
        "read": GIB / min(on_gpu_s(source.sum), on_gpu_s(singles.sum)) / 1e9,
        "gemm.bfloat16": 2 * 8192**3 / on_gpu_s(lambda: torch.mm(left, right, out=product)) / 1e12,
        "h2d.pinned": 256 * MIB / on_gpu_s(lambda: landing.copy_(pinned, non_blocking=True)) / 1e9,
        "h2d.pageable": 256 * MIB / on_host_s(from_pageable) / 1e9,
    }


def bare_cpu() -> dict[str, float]:
    """The ceilings of a CPU, each in its unit."""
    source = torch.rand(256 * MIB // 4)
    target = torch.rand_like(source)
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    product = torch.empty_like(left)
    return {
        "copy": 2 * source.nbytes / on_host_s(lambda: target.copy_(source)) / 1e9,
        "read": source.nbytes / on_host_s(source.sum) / 1e9,
        "gemm.float32": 2 * 2048**3 / on_host_s(lambda: torch.mm(left, right, out=product)) / 1e12,
    }


def profilers(device: Device, names: tuple[str, ...]) -> dict[str, float]:
    """The same ceilings as the profiler measures them."""
    probes = probes_of(device)
    found = measure_ceilings(device, now=now, probes={name: probes[name] for name in names})
    return {c.name: c.value for c in found.ceilings if c.name in names and c.value is not None}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--blocks", type=int, default=5, help="pairs of blocks (default: %(default)s)")
    options = parser.parse_args()
    device = select_device(options.device)
    on_gpu = device.properties.kind == "cuda"
    names = CUDA_CEILINGS if on_gpu else CPU_CEILINGS
    where = torch.device(device.torch_device)

    def bare() -> dict[str, float]:
        found = bare_cuda(where) if on_gpu else bare_cpu()
        device.empty_cache()
        return found

    blocks: tuple[list[dict[str, float]], ...] = (
        [{} for _ in range(options.blocks)],
        [{} for _ in range(options.blocks)],
    )
    with stage(f"{options.blocks} pairs of blocks"):
        for pair, side in abba(options.blocks):
            blocks[side][pair] = (lambda: profilers(device, names), bare)[side]()
    rows = [row_of(name, *([block.get(name) for block in side] for side in blocks)) for name in names]
    details: dict[str, Any] = {"environment": describe(device), "profiler": blocks[0], "bare": blocks[1]}
    return finish(f"Ceilings against bare torch: {device.properties.name}", rows, options.out, details)


def row_of(name: str, ours: list[float | None], bare: list[float | None]) -> Row:
    """The claim on one ceiling."""
    claim = f"{1 - TOLERANCE:.2f} .. {1 + TOLERANCE:.2f}"
    measured = [value for value in ours if value is not None]
    if len(measured) < len(ours):
        return Row(
            f"{name}, profiler / bare", None, "", claim=claim, holds=False, note="the profiler could not measure it"
        )
    ratio = ratio_over_blocks(measured, [value for value in bare if value is not None])
    return Row(
        f"{name}, profiler / bare",
        ratio,
        "",
        claim=claim,
        holds=abs(ratio.value - 1) <= TOLERANCE,
        note=f"{median(measured):.4g} / {median(v for v in bare if v is not None):.4g} {UNITS[name]}",
    )


if __name__ == "__main__":
    sys.exit(main())
