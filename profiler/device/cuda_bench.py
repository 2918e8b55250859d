"""What a CUDA GPU can reach, measured: one method a ceiling, each call one independent repeat.

Data are random, since a GEMM of zeros draws less power and runs faster; buffers are well beyond the L2 cache.
Device work is timed by CUDA events with the queue kept full, so no launch is in it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import torch

from profiler.device.base import Device
from profiler.device.host_memory import host_memory
from profiler.device.host_work import HostWork, time_host_work

MIB = 2**20
TARGET_MS = 25.0  # a repeat: long enough for event resolution, short enough not to heat the card for the next one
MOST_ITERATIONS = 50
LAUNCHES = 500  # fewer than the 1,024 that the launch queue holds, so that launching never waits
GRAPH_KERNELS = 1000
READ_BACKS = 200
HOST_WORKS = 30
GEMM_SIZES = (8192, 4096, 2048)
GEMM_DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
    "tf32": torch.float32,
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much memory the measurements take; 0 where what is free does not allow one worth having."""

    buffer_bytes: int  # each of two on the device
    gemm: int  # rows and columns of each operand
    host_bytes: int  # each of two on the host, one pinned, one pageable


def plan_sizes(device_free_bytes: int, host_free_bytes: int, l2_bytes: int) -> Sizes:
    """Sizes that take at most a quarter of what is free, at most 1 GiB a buffer, and at least four times the L2."""
    budget = device_free_bytes // 4
    buffer_bytes = min(1024 * MIB, budget * 3 // 8) // MIB * MIB
    if buffer_bytes < max(4 * l2_bytes, 64 * MIB):
        buffer_bytes = 0
    rest = budget - 2 * buffer_bytes
    gemm = next((size for size in GEMM_SIZES if 3 * 4 * size * size <= rest), 0)
    host_bytes = min(256 * MIB, host_free_bytes // 8, buffer_bytes) // MIB * MIB
    return Sizes(buffer_bytes=buffer_bytes, gemm=gemm, host_bytes=host_bytes if host_bytes >= 32 * MIB else 0)


# The host stages pageable memory through its caches. A buffer that they hold shows what the way can reach; one beyond
# them shows the host's memory, and in a virtual machine a different one each time (6 to 10 GB/s seen, against 20).
PAGEABLE_BYTES = 64 * MIB


class CudaBench:
    """The measurements of one GPU. Every method raises RuntimeError when memory does not allow it."""

    def __init__(self, device: Device, clock: Callable[[], float] = time.perf_counter) -> None:
        self._device = device
        self._clock = clock
        self._where = torch.device(device.torch_device)
        self._sizes = plan_sizes(device.free_bytes(), host_memory().free_bytes, device.properties.l2_bytes or 0)
        self._random = torch.Generator(device=self._where)  # of its own: the workload's seed is not touched

    def probes(self) -> dict[str, Callable[[], float]]:
        """Ceiling name to one repeat of it, in the ceiling's unit."""
        probes: dict[str, Callable[[], float]] = {"read": self.read, "copy": self.copy}
        probes |= {f"gemm.{dtype}": partial(self.gemm, dtype) for dtype in GEMM_DTYPES}
        probes |= {
            "h2d.pinned": self.h2d_pinned,
            "h2d.pageable": self.h2d_pageable,
            "d2h.pinned": self.d2h_pinned,
            "d2h.pageable": self.d2h_pageable,
            "overlap.copy_compute": self.overlap,
            "launch": self.launch,
            "kernel": self.kernel,
            "sync": self.sync,
            "host_work": self.host_work,
        }
        return {name: partial(self._on_device, probe) for name, probe in probes.items()}

    def read(self) -> float:
        """GB/s of DRAM read by a sum, in the faster of two element types."""
        milliseconds = self._span_ms(self._read_kernel)
        return self._sizes.buffer_bytes / milliseconds / 1e6

    def copy(self) -> float:
        """GB/s of a device-to-device copy, bytes read plus bytes written."""
        source, target = self._buffers
        return 2 * self._sizes.buffer_bytes / self._span_ms(lambda: target.copy_(source)) / 1e6

    def gemm(self, dtype: str) -> float:
        """TFLOP/s of a square matrix product with fresh normal operands, 2 n^3 operations."""
        work = self._gemm_work(GEMM_DTYPES[dtype])
        matmul = torch.backends.cuda.matmul
        before = matmul.fp32_precision
        matmul.fp32_precision = "tf32" if dtype == "tf32" else "ieee"
        try:
            milliseconds = self._span_ms(work)
        finally:
            matmul.fp32_precision = before
        return 2 * self._sizes.gemm**3 / milliseconds / 1e9

    def h2d_pinned(self) -> float:
        """GB/s of a host-to-device copy from pinned memory."""
        return self._host_bytes() / self._span_ms(self._copy_in) / 1e6

    def d2h_pinned(self) -> float:
        """GB/s of a device-to-host copy into pinned memory."""
        return self._host_bytes() / self._span_ms(lambda: self._pinned.copy_(self._landing, non_blocking=True)) / 1e6

    def h2d_pageable(self) -> float:
        """GB/s of a host-to-device copy from pageable memory, by the host's clock: the host does the staging."""
        part = self._landing[: len(self._pageable)]
        return len(self._pageable) / self._host_span_ms(lambda: part.copy_(self._pageable)) / 1e6

    def d2h_pageable(self) -> float:
        """GB/s of a device-to-host copy into pageable memory, by the host's clock."""
        part = self._landing[: len(self._pageable)]
        return len(self._pageable) / self._host_span_ms(lambda: self._pageable.copy_(part)) / 1e6

    def overlap(self) -> float:
        """How much of a pinned host-to-device copy hides under matrix products on another stream, 1 = all of it.

        (products alone + copy alone - both together) / copy alone, with products half as long again as the copy.
        """
        product = self._gemm_work(torch.float16)
        copy_ms = self._span_ms(self._copy_in)
        count = math.ceil(1.5 * copy_ms / self._span_ms(product))
        main, side = torch.cuda.current_stream(), self._side_stream

        def products() -> None:
            for _ in range(count):
                product()

        def together() -> None:
            side.wait_stream(main)
            with torch.cuda.stream(side):
                self._copy_in()
            products()
            main.wait_stream(side)

        return (self._span_ms(products) + copy_ms - self._span_ms(together)) / copy_ms

    def launch(self) -> float:
        """Microseconds of host time for a kernel launch from Python: `add_` on one element, queued, not waited for."""
        return self._host_loop_us(self._one_element_add, LAUNCHES)

    def kernel(self) -> float:
        """Microseconds of device time that a kernel costs whatever it does: the period of a graph of empty work."""
        return self._span_ms(self._graph.replay) / GRAPH_KERNELS * 1e3

    def sync(self) -> float:
        """Microseconds for the host to read one element back from a GPU with nothing to do: all of it round trip."""
        return self._host_loop_us(self._one_element.item, READ_BACKS)

    def host_work(self) -> float:
        """Microseconds of a fixed piece of host work: Python and launches, as in an eager step."""
        times = [time_host_work(self._host_work, self._device, time.perf_counter_ns) for _ in range(HOST_WORKS)]
        return statistics.median(times) / 1e3

    def _on_device(self, probe: Callable[[], float]) -> float:
        with torch.cuda.device(self._where):
            return probe()

    def _span_ms(self, work: Callable[[], object]) -> float:
        """Device milliseconds of one `work`, over as many as fill the target time."""
        once_ms = self._queue_ms(work, 1)
        iterations = min(MOST_ITERATIONS, max(2, math.ceil(TARGET_MS / once_ms)))
        return self._queue_ms(work, iterations)

    def _queue_ms(self, work: Callable[[], object], iterations: int) -> float:
        stopwatch = self._device.stopwatch()
        if stopwatch is None:
            raise RuntimeError("the device has no clock of its own")
        work()  # warms up, and keeps the GPU busy while the host queues the rest
        stopwatch.start()
        for _ in range(iterations):
            work()
        stopwatch.stop()
        self._device.synchronize()
        return stopwatch.elapsed_ms() / iterations

    def _host_span_ms(self, work: Callable[[], object], iterations: int = 3) -> float:
        work()
        self._device.synchronize()
        start = self._clock()
        for _ in range(iterations):
            work()
        self._device.synchronize()
        return (self._clock() - start) / iterations * 1e3

    def _host_loop_us(self, call: Callable[[], object], calls: int) -> float:
        for _ in range(calls):
            call()
        self._device.synchronize()
        start = self._clock()
        for _ in range(calls):
            call()
        spent = self._clock() - start
        self._device.synchronize()
        return spent / calls * 1e6

    @cached_property
    def _buffers(self) -> tuple[torch.Tensor, torch.Tensor]:
        count = self._sizes.buffer_bytes // 2
        if not count:
            raise RuntimeError("too little device memory is free for a buffer beyond the L2 cache")
        source = torch.empty(count, dtype=torch.bfloat16, device=self._where).normal_(generator=self._random)
        return source, torch.empty_like(source).normal_(generator=self._random)

    @cached_property
    def _read_kernel(self) -> Callable[[], object]:
        halves = self._buffers[0]
        singles = halves.view(torch.float32)
        return min((halves.sum, singles.sum), key=lambda kernel: self._queue_ms(kernel, 5))

    def _gemm_work(self, dtype: torch.dtype) -> Callable[[], object]:
        size = self._sizes.gemm
        if not size:
            raise RuntimeError("too little device memory is free for a matrix product")
        left, right = (
            torch.empty(size, size, dtype=dtype, device=self._where).normal_(generator=self._random) for _ in range(2)
        )
        return partial(torch.mm, left, right, out=torch.empty_like(left))

    def _host_bytes(self) -> int:
        if not self._sizes.host_bytes:
            raise RuntimeError("too little memory is free for a host-device copy worth timing")
        return self._sizes.host_bytes

    def _copy_in(self) -> torch.Tensor:
        return self._landing.copy_(self._pinned, non_blocking=True)

    @cached_property
    def _landing(self) -> torch.Tensor:
        return self._buffers[1].view(torch.uint8)[: self._host_bytes()]

    @cached_property
    def _pinned(self) -> torch.Tensor:
        return torch.empty(self._host_bytes(), dtype=torch.uint8, pin_memory=True).copy_(self._landing)

    @cached_property
    def _pageable(self) -> torch.Tensor:
        return self._landing[: min(PAGEABLE_BYTES, self._host_bytes())].cpu()

    @cached_property
    def _side_stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream(self._where)  # type: ignore[no-untyped-call]

    @cached_property
    def _one_element(self) -> torch.Tensor:
        return torch.zeros(1, device=self._where)

    @cached_property
    def _one_element_add(self) -> Callable[[], object]:
        return partial(self._one_element.add_, 1)

    @cached_property
    def _host_work(self) -> HostWork:
        return HostWork(self._device.torch_device)

    @cached_property
    def _graph(self) -> torch.cuda.CUDAGraph:
        # the kernel is loaded before: a capture must not be the first to use it
        self._one_element_add()
        self._device.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(GRAPH_KERNELS):
                self._one_element_add()
        return graph
