"""Ceilings on a real GPU: the same as a bare torch measurement in the same process, and physically possible."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime

import pytest
import torch

from profiler.device.capabilities import look, survey
from profiler.device.ceilings import UNITS, is_whole, measure_ceilings
from profiler.device.driver import Driver
from profiler.device.gpm import SHORTEST_WINDOW_S, GpmSampler
from profiler.device.gpu import Gpu
from profiler.device.select import select_device

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]

GIB = 2**30


@pytest.fixture(scope="module")
def driver() -> Driver:
    return Driver.open()


@pytest.fixture(scope="module")
def device(driver):
    return select_device("cuda", driver=driver)


@pytest.fixture(scope="module")
def gpu(driver, device) -> Gpu:
    return Gpu(driver, device.properties.uuid)


@pytest.fixture(scope="module")
def ceilings(device, gpu):
    measured = measure_ceilings(device, now=lambda: datetime.now(UTC), gpu=gpu)
    return {ceiling.name: ceiling for ceiling in measured.ceilings} | {"all": measured}


def device_ms(work, iterations) -> float:
    """Median over repeats of the bare time of one `work`, by CUDA events."""
    times = []
    for _ in range(7):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        work()
        begin.record()
        for _ in range(iterations):
            work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / iterations)
    return statistics.median(times)


def bare_read() -> float:
    buffer = torch.randn(GIB // 2, dtype=torch.bfloat16, device="cuda")
    return GIB / device_ms(buffer.sum, 50) / 1e6


def bare_copy() -> float:
    source = torch.randn(GIB // 2, dtype=torch.bfloat16, device="cuda")
    target = torch.empty_like(source)
    return 2 * GIB / device_ms(lambda: target.copy_(source), 30) / 1e6


@pytest.mark.parametrize(("name", "bare"), [("read", bare_read), ("copy", bare_copy)])
def test_a_ceiling_is_within_3_percent_of_a_bare_measurement(ceilings, name, bare):
    """Two single runs of a GEMM or of a host copy differ by more: benchmarks/ceilings.py takes those in turns."""
    assert ceilings[name].value == pytest.approx(bare(), rel=0.03)


def test_every_ceiling_of_a_modern_gpu_is_measured(ceilings, device):
    if device.properties.compute_capability < (8, 0):
        pytest.skip("older than Ampere: no bfloat16, no TF32")
    assert {name: ceilings[name].missing for name in UNITS if ceilings[name].missing} == {}
    assert is_whole(ceilings["all"], device.properties)


def test_no_ceiling_is_above_its_datasheet(ceilings):
    compared = [ceilings[name] for name in UNITS if ceilings[name].datasheet is not None]
    assert compared
    # a datasheet's tensor peak may assume a lower clock than the card boosts to
    assert {found.name for found in compared if found.value > 1.08 * found.datasheet} == set()


def test_ceilings_stand_to_each_other_as_physics_has_it(ceilings):
    value = {name: ceilings[name].value for name in UNITS}
    assert value["h2d.pageable"] <= 1.02 * value["h2d.pinned"] < value["copy"]
    assert value["kernel"] < value["launch"] < 1000
    assert value["kernel"] < value["sync"]
    assert value["gemm.float32"] < value["gemm.tf32"] < value["gemm.bfloat16"]
    assert 0.5 < value["overlap.copy_compute"] < 1.1


def test_measuring_leaves_precision_seed_and_memory_as_they_were(device, ceilings):
    before = (torch.backends.cuda.matmul.fp32_precision, torch.cuda.memory_allocated())
    torch.cuda.manual_seed(7)
    expected = torch.rand(3, device="cuda").tolist()
    torch.cuda.manual_seed(7)
    measure_ceilings(device, now=lambda: datetime.now(UTC))
    assert torch.rand(3, device="cuda").tolist() == expected
    assert (torch.backends.cuda.matmul.fp32_precision, torch.cuda.memory_allocated()) == before


def test_the_driver_knows_torchs_gpu_by_its_uuid(gpu, device):
    assert gpu.memory().total_bytes == pytest.approx(device.properties.memory_bytes, rel=0.05)
    assert gpu.clocks().sm_mhz > 0


def test_gpm_sees_the_traffic_of_a_copy_loop(gpu):
    if not gpu.supports_gpm():
        pytest.skip("this GPU has no GPM counters (Hopper and newer have)")
    source = torch.randn(GIB // 2, dtype=torch.bfloat16, device="cuda")
    target = torch.empty_like(source)
    with GpmSampler(gpu) as sampler:
        sampler.mark()
        end = time.monotonic() + 2 * SHORTEST_WINDOW_S
        while time.monotonic() < end:
            for _ in range(20):
                target.copy_(source)
            torch.cuda.synchronize()
        sampler.mark()
        readings = sampler.read()
    assert readings["DRAM_BW_UTIL"].value > 60
    assert readings["GRAPHICS_UTIL"].value > 80


def test_the_doctor_finds_kernel_tracing_on_a_gpu(device, driver):
    lines = {line.name: line for line in survey(look(device, driver))}
    assert lines["NVML"].available
    assert lines["kernel tracing"].available
    assert lines["pinned memory"].available
