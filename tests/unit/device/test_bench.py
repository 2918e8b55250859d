"""The measurements themselves: on this CPU for real, and how much memory they take."""

from __future__ import annotations

import itertools

import pytest
import torch

from profiler.device import cpu_bench
from profiler.device.cpu import CpuDevice
from profiler.device.cpu_bench import CpuBench, plan_buffer_bytes
from profiler.device.cuda_bench import CudaBench, plan_sizes

MIB = 2**20
GIB = 2**30
H100_L2_BYTES = 50 * MIB


def test_an_empty_h100_is_measured_with_full_sizes():
    sizes = plan_sizes(79 * GIB, 200 * GIB, H100_L2_BYTES)
    assert (sizes.buffer_bytes, sizes.gemm, sizes.host_bytes) == (GIB, 8192, 256 * MIB)


@pytest.mark.parametrize("free_mib", [0, 100, 1000, 2500, 4000, 8000, 16000, 80000])
@pytest.mark.parametrize("host_free_mib", [0, 200, 500, 3000, 60000])
def test_measuring_takes_at_most_a_quarter_of_what_is_free(free_mib, host_free_mib):
    sizes = plan_sizes(free_mib * MIB, host_free_mib * MIB, H100_L2_BYTES)
    single_bytes = 4
    assert 2 * sizes.buffer_bytes + 3 * single_bytes * sizes.gemm**2 <= free_mib * MIB / 4
    assert 2 * sizes.host_bytes <= host_free_mib * MIB / 4
    assert sizes.host_bytes <= sizes.buffer_bytes
    assert sizes.buffer_bytes == 0 or sizes.buffer_bytes >= 4 * H100_L2_BYTES


def test_a_buffer_that_fits_the_cache_is_not_measured_at_all():
    assert plan_sizes(1000 * MIB, GIB, H100_L2_BYTES).buffer_bytes == 0
    with pytest.raises(RuntimeError, match="L2"):
        starved_cuda_bench().read()


def test_too_little_host_memory_costs_only_the_host_copies():
    sizes = plan_sizes(79 * GIB, 100 * MIB, H100_L2_BYTES)
    assert sizes.host_bytes == 0
    assert sizes.buffer_bytes == GIB


def test_cpu_buffers_are_past_the_last_cache_within_a_quarter_of_free_memory():
    assert plan_buffer_bytes(100 * GIB, 32 * MIB) == 256 * MIB
    assert plan_buffer_bytes(100 * GIB, 400 * MIB) == 400 * MIB
    assert plan_buffer_bytes(100 * GIB, 2 * GIB) == 512 * MIB
    assert plan_buffer_bytes(1 * GIB, 32 * MIB) == 128 * MIB
    assert plan_buffer_bytes(256 * MIB, 32 * MIB) == 0


def test_a_cpu_probe_counts_bytes_and_operations_by_its_own_clock(monkeypatch):
    monkeypatch.setattr(cpu_bench, "plan_buffer_bytes", lambda free_bytes, cache_bytes: 64 * MIB)
    ticks = itertools.count()  # each look at the clock is a second after the last
    probes = CpuBench(CpuDevice(), clock=lambda: float(next(ticks))).probes()
    assert probes["read"]() == pytest.approx(64 * MIB / 1e9)
    assert probes["copy"]() == pytest.approx(2 * 64 * MIB / 1e9)
    assert probes["gemm.float32"]() == pytest.approx(2 * 1024**3 / 1e12)  # slow by this clock, so the small size
    assert probes["launch"]() == pytest.approx(1e6 / cpu_bench.CALLS)


def test_measuring_leaves_the_workloads_seed_alone(monkeypatch):
    monkeypatch.setattr(cpu_bench, "plan_buffer_bytes", lambda free_bytes, cache_bytes: 64 * MIB)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    probes = CpuBench(CpuDevice()).probes()
    assert all(probes[name]() > 0 for name in ("read", "gemm.bfloat16", "launch"))
    assert torch.equal(torch.rand(3), expected)


def starved_cuda_bench() -> CudaBench:
    """A bench of a GPU with no memory free: it is refused before it touches the GPU."""

    class Starved(CpuDevice):
        def free_bytes(self) -> int:
            return 0

    return CudaBench(Starved())
