"""What a CPU can reach, measured: one method a ceiling, each call one independent repeat."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cached_property, partial

import torch

from profiler.device.base import Device
from profiler.device.cpu import last_level_cache_bytes

MIB = 2**20
SMALLEST_BUFFER_BYTES = 256 * MIB
LARGEST_BUFFER_BYTES = 512 * MIB  # touching fresh pages costs about 2 s a GiB
RANDOM_BLOCK_ELEMENTS = 2**22  # repeated to fill a buffer: drawing each element would take longer than measuring
TARGET_S = 0.04
SLOW_GEMM_S = 0.25  # a product of the large size that would take longer is not worth its wait
GEMM_SIZES = (2048, 1024)
CALLS = 2000
GEMM_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def plan_buffer_bytes(free_bytes: int, cache_bytes: int | None) -> int:
    """The size of each of two buffers: past the last cache, together at most a quarter of what is free, or 0."""
    wanted = min(max(SMALLEST_BUFFER_BYTES, cache_bytes or 0), LARGEST_BUFFER_BYTES)
    allowed = min(wanted, free_bytes // 8) // (4 * RANDOM_BLOCK_ELEMENTS) * (4 * RANDOM_BLOCK_ELEMENTS)
    return allowed if allowed >= 64 * MIB else 0


class CpuBench:
    """The measurements of the host's processor, with as many threads as torch uses."""

    def __init__(self, device: Device, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._buffer_bytes = plan_buffer_bytes(device.free_bytes(), last_level_cache_bytes())
        self._random = torch.Generator()  # of its own: the workload's seed is not touched

    def probes(self) -> dict[str, Callable[[], float]]:
        """Ceiling name to one repeat of it, in the ceiling's unit."""
        probes: dict[str, Callable[[], float]] = {"read": self.read, "copy": self.copy}
        probes |= {f"gemm.{name}": partial(self.gemm, dtype) for name, dtype in GEMM_DTYPES.items()}
        return probes | {"launch": self.launch}

    def read(self) -> float:
        """GB/s of memory read by a sum."""
        return self._buffer_bytes / self._span_s(self._buffers[0].sum) / 1e9

    def copy(self) -> float:
        """GB/s of a copy, bytes read plus bytes written (what the cache fetches to be overwritten is not counted)."""
        source, target = self._buffers
        return 2 * self._buffer_bytes / self._span_s(partial(target.copy_, source)) / 1e9

    def gemm(self, dtype: torch.dtype) -> float:
        """TFLOP/s of a square matrix product with fresh normal operands, 2 n^3 operations."""
        size = self._gemm_size(dtype)
        return 2 * size**3 / self._span_s(self._gemm_work(dtype, size)) / 1e12

    def launch(self) -> float:
        """Microseconds to dispatch an operation that does nothing to speak of: `add_` on one element."""
        element = torch.zeros(1)
        return self._loop_s(partial(element.add_, 1), CALLS) * 1e6

    def _span_s(self, work: Callable[[], object]) -> float:
        once_s = self._loop_s(work, 1)
        return self._loop_s(work, max(1, math.ceil(TARGET_S / once_s)))

    def _loop_s(self, work: Callable[[], object], count: int) -> float:
        start = self._clock()
        for _ in range(count):
            work()
        return (self._clock() - start) / count

    @cached_property
    def _buffers(self) -> tuple[torch.Tensor, torch.Tensor]:
        if not self._buffer_bytes:
            raise RuntimeError("too little memory is free for a buffer beyond the caches")
        block = torch.rand(RANDOM_BLOCK_ELEMENTS, generator=self._random)
        source = block.repeat(self._buffer_bytes // 4 // RANDOM_BLOCK_ELEMENTS)
        return source, source.clone()

    def _gemm_size(self, dtype: torch.dtype) -> int:
        if dtype not in self._gemm_sizes:
            large, small = GEMM_SIZES
            work = self._gemm_work(dtype, small)
            work()
            seconds = self._loop_s(work, 1) * (large / small) ** 3
            self._gemm_sizes[dtype] = small if seconds > SLOW_GEMM_S else large
        return self._gemm_sizes[dtype]

    @cached_property
    def _gemm_sizes(self) -> dict[torch.dtype, int]:
        return {}

    def _gemm_work(self, dtype: torch.dtype, size: int) -> Callable[[], object]:
        left, right = (torch.randn(size, size, generator=self._random).to(dtype) for _ in range(2))
        return partial(torch.mm, left, right, out=torch.empty_like(left))
