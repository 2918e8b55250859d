"""Hardware counters on a real GPU: copies and a matrix-vector product, whose bytes are known, counted as they run."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from profiler.attribute.counted import Counted, count_kernels
from profiler.device.driver import Driver
from profiler.device.select import select_device
from profiler.measure.counted_pass import MARKER_BYTES, MARKER_COPIES, record_counted
from profiler.measure.counters.process import CounterProcess
from profiler.measure.counters.source import Counter
from profiler.trace.kineto import read_kineto
from profiler.workload.phase import NO_RESET

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]

ROWS, COLUMNS = 14336, 4096


class MatrixVector:
    """Large products that read from memory, each followed by a small addition that does not."""

    name = "products"
    shape = None
    iterations_per_reset = NO_RESET
    launch: Callable[[], None] | None = None
    body: Callable[[], None] | None = None

    def __init__(self) -> None:
        self._weights = [torch.randn(ROWS, COLUMNS, device="cuda", dtype=torch.bfloat16) for _ in range(4)]
        self._x = torch.randn(COLUMNS, device="cuda", dtype=torch.bfloat16)

    def reset(self) -> None: ...

    def iterate(self) -> None:
        for weight in self._weights:
            (weight @ self._x).add_(1.0)
        torch.cuda.synchronize()


@pytest.fixture(scope="module")
def counted() -> Counted:
    device = select_device("cuda", driver=Driver.open())
    with CounterProcess(device.properties.uuid) as counters:
        if reason := counters.begin():
            pytest.skip(f"no hardware counters here: {reason}")
        counters.end()
        passed = record_counted(MatrixVector(), device, counters, time.monotonic_ns)
    assert passed.trace is not None
    return count_kernels(
        read_kineto(passed.trace),
        passed.recording,
        marker_bytes=MARKER_BYTES,
        marker_copies=MARKER_COPIES,
        iterations=passed.iterations,
    )


def test_an_iteration_reads_its_matrices_once(counted: Counted) -> None:
    assert counted.whole[Counter.DRAM_READ] == pytest.approx(4 * ROWS * COLUMNS * 2, rel=0.01)


def test_the_product_is_what_reads_and_the_addition_is_not(counted: Counted) -> None:
    product, *others = sorted(counted.kernels, key=lambda kernel: -kernel.us)
    assert product.calls == pytest.approx(4)
    assert product.each[Counter.DRAM_READ].value == pytest.approx(ROWS * COLUMNS * 2, rel=0.02)
    for kernel in others:
        assert kernel.each[Counter.DRAM_READ].value < 0.01 * ROWS * COLUMNS * 2
