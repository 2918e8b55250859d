"""Hardware counters on a real GPU: copies and a matrix-vector product, whose bytes are known, counted as they run."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from profiler.attribute.counted import Counted
from profiler.device.driver import Driver
from profiler.device.select import select_device
from profiler.measure.counters.process import CounterProcess
from profiler.measure.counters.source import Counter
from profiler.session.counted_phase import CountedPhase, count
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
def phase() -> CountedPhase:
    device = select_device("cuda", driver=Driver.open())
    with CounterProcess(device.properties.uuid) as counters:
        found = count(MatrixVector(), device, counters, time.monotonic_ns)
    if found.counted is None:
        pytest.skip(f"no hardware counters here: {found.missing}")
    return found


@pytest.fixture(scope="module")
def counted(phase: CountedPhase) -> Counted:
    assert phase.counted is not None
    return phase.counted


def test_an_iteration_reads_its_matrices_once(counted: Counted) -> None:
    assert counted.whole[Counter.DRAM_READ] == pytest.approx(4 * ROWS * COLUMNS * 2, rel=0.01)


def test_the_product_is_what_reads_and_the_addition_is_not(counted: Counted) -> None:
    product, *others = sorted(counted.kernels, key=lambda kernel: -kernel.us)
    assert product.calls == pytest.approx(4)
    assert product.each[Counter.DRAM_READ].value == pytest.approx(ROWS * COLUMNS * 2, rel=0.02)
    for kernel in others:
        assert kernel.each[Counter.DRAM_READ].value < 0.01 * ROWS * COLUMNS * 2


def test_a_product_of_a_vector_issues_instructions_or_the_report_says_why_not(phase: CountedPhase) -> None:
    assert phase.counted is not None
    if Counter.ISSUE_ACTIVE in phase.counted.whole:
        assert 0 < phase.counted.whole[Counter.ISSUE_ACTIVE] < 1
    else:
        assert any(note.startswith("no counters of matrix pipes") for note in phase.notes)
