"""How much of the device a grid can keep at work: on 132 multiprocessors of an H100's size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.attribute.occupancy import filled_ratio, resident_blocks
from profiler.report.evidence import KernelFacts, Peaks
from profiler.report.vocabulary import Cause

H100 = Peaks(3.08e12, 1.1, 132, 50 * 2**20, threads_per_sm=2048, registers_per_sm=65536, shared_bytes_per_sm=228 * 1024)


def kernel(
    blocks: int | None, threads: int | None, registers: int = 32, shared_bytes: int = 0, *, matrix: bool = False
) -> KernelFacts:
    return KernelFacts(
        bytes=0.0,
        resident_bytes=0.0,
        flops=0.0,
        uses_matrix_units=matrix,
        blocks=blocks,
        memory_cause=Cause.MEMORY_ACTIVATIONS,
        threads=threads,
        registers=registers,
        shared_bytes=shared_bytes,
    )


@pytest.mark.parametrize(
    ("threads", "registers", "shared_bytes", "expected"),
    [
        (128, 32, 0, 16),  # threads
        (32, 32, 0, 32),  # the most blocks there are
        (128, 255, 65536, 2),  # registers: flash attention
        (256, 128, 52224, 2),  # registers: memory-efficient attention
        (384, 168, 213188, 1),  # shared memory: a matrix product
        (1024, 255, 0, 1),  # one block runs, or there would be no trace of it
    ],
)
def test_what_is_scarcest_decides_how_many_blocks_an_sm_holds(
    threads: int, registers: int, shared_bytes: int, expected: int
):
    assert resident_blocks(kernel(1000, threads, registers, shared_bytes), H100) == expected


def test_a_grid_of_fewer_blocks_than_processors_fills_nothing():
    assert filled_ratio(kernel(64, 1024), H100) == 0
    assert filled_ratio(kernel(128, 1024), H100) == 1, "a few processors left out are as good as none"


def test_a_large_grid_of_full_blocks_fills_the_device():
    assert filled_ratio(kernel(132 * 16 * 40, 128), H100) == 1


def test_a_short_last_wave_leaves_processors_idle():
    assert filled_ratio(kernel(132 * 2 + 1, 1024), H100) == pytest.approx(0.5, abs=0.01)


def test_few_warps_cannot_issue_all_the_time():
    assert filled_ratio(kernel(132, 128), H100) == 4 / 16


def test_matrix_units_need_few_warps():
    assert filled_ratio(kernel(132, 128, matrix=True), H100) == 1
    assert filled_ratio(kernel(64, 128, matrix=True), H100) == 0


def test_what_is_not_known_is_no_reason_to_call_it_small():
    assert filled_ratio(kernel(None, 128), H100) == 1
    assert filled_ratio(kernel(1000, None), H100) == 1
    assert filled_ratio(kernel(1, 32), Peaks(None, 0.0, None, None)) == 1


@given(
    blocks=st.integers(0, 10**6),
    threads=st.integers(1, 1024),
    registers=st.integers(1, 255),
    shared_bytes=st.integers(0, 232448),
)
def test_it_is_a_ratio(blocks: int, threads: int, registers: int, shared_bytes: int):
    assert 0 <= filled_ratio(kernel(blocks, threads, registers, shared_bytes), H100) <= 1
