"""Ceilings: medians of interleaved repeats, beside the datasheet, and honest about holes."""

from __future__ import annotations

import itertools
from collections import deque
from datetime import UTC, datetime

import pynvml
import pytest

from profiler.device.base import DeviceProperties
from profiler.device.ceilings import (
    REPEATS,
    UNITS,
    absent_ceilings,
    datasheet_ceilings,
    is_whole,
    measure_ceilings,
)
from profiler.device.cpu import CpuDevice
from profiler.device.driver import Driver
from profiler.device.gpu import Gpu
from tests.fakes import H100_UUID, FakeDriverLibrary

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def now() -> datetime:
    return MOMENT


class FakeGpuDevice(CpuDevice):
    """A device that says it is an H100, for what does not run on it."""

    def __init__(self, name="NVIDIA H100 80GB HBM3", compute_capability=(9, 0)) -> None:
        super().__init__()
        self._properties = gpu_properties(name, compute_capability)


def gpu_properties(name="NVIDIA H100 80GB HBM3", compute_capability=(9, 0)) -> DeviceProperties:
    return DeviceProperties(
        name=name,
        kind="cuda",
        uuid=H100_UUID,
        driver="580.159.04",
        cuda="13.0",
        memory_bytes=80 * 2**30,
        sm_count=132,
        l2_bytes=50 * 2**20,
        max_threads_per_sm=2048,
        compute_capability=compute_capability,
    )


def constant_probes(value=100.0):
    return {name: lambda: value for name in UNITS}


def by_name(ceilings):
    return {ceiling.name: ceiling for ceiling in ceilings.ceilings}


def test_a_ceiling_is_the_median_of_its_repeats_and_the_first_one_only_warms_up():
    values = deque([9999.0, 3.0, 1.0, 2.0, 7.0, 4.0, 5.0, 6.0])
    assert len(values) == REPEATS + 1
    probes = constant_probes() | {"read": values.popleft}
    read = by_name(measure_ceilings(FakeGpuDevice(), now=now, probes=probes))["read"]
    assert (read.low, read.value, read.high) == (1.0, 4.0, 7.0)


def test_repeats_of_different_ceilings_are_interleaved():
    order = []

    def probe(name):
        return lambda: order.append(name) or 1.0

    measure_ceilings(CpuDevice(), now=now, probes={name: probe(name) for name in ("read", "copy")})
    assert order == ["read", "copy"] * (REPEATS + 1)


def test_every_ceiling_is_listed_in_order_with_its_unit():
    ceilings = measure_ceilings(FakeGpuDevice(), now=now, probes=constant_probes())
    assert {ceiling.name: ceiling.unit for ceiling in ceilings.ceilings} == UNITS
    assert [ceiling.name for ceiling in ceilings.ceilings] == list(UNITS)
    assert (ceilings.measured_at, ceilings.from_cache) == ("2026-01-02T03:04:05+00:00", False)


def test_a_ceiling_that_runs_out_of_memory_is_null_with_the_reason_and_the_others_stand():
    countdown = itertools.count()

    def fails_in_the_third_round():
        if next(countdown) >= 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 1 GiB\nmore lines")
        return 5.0

    ceilings = measure_ceilings(FakeGpuDevice(), now=now, probes=constant_probes() | {"copy": fails_in_the_third_round})
    found = by_name(ceilings)
    assert (found["copy"].value, found["copy"].low, found["copy"].high) == (None, None, None)
    assert found["copy"].missing == "CUDA out of memory. Tried to allocate 1 GiB"
    assert found["read"].value == 100.0
    assert not is_whole(ceilings, gpu_properties())
    assert next(countdown) == 3  # not tried again


def test_a_cpu_says_why_it_has_no_copies_and_no_kernels_and_is_whole_without_them():
    ceilings = measure_ceilings(CpuDevice(), now=now, probes=constant_probes())
    found = by_name(ceilings)
    for name in ("h2d.pinned", "kernel", "sync", "gemm.tf32", "overlap.copy_compute"):
        assert found[name].value is None
        assert found[name].missing
    assert {name for name in UNITS if found[name].value is not None} == {
        "read",
        "copy",
        "gemm.bfloat16",
        "gemm.float32",
        "launch",
    }
    assert is_whole(ceilings, CpuDevice().properties)


def test_a_gpu_older_than_ampere_says_that_it_has_no_bfloat16():
    absent = absent_ceilings(gpu_properties("Tesla V100-SXM2-16GB", (7, 0)))
    assert set(absent) == {"gemm.bfloat16", "gemm.tf32"}
    assert "7.0" in absent["gemm.bfloat16"]
    assert absent_ceilings(gpu_properties()) == {}


def test_an_h100_is_shown_beside_its_datasheet():
    datasheet = datasheet_ceilings(gpu_properties(), None)
    assert datasheet["read"] == datasheet["copy"] == pytest.approx(3352, rel=0.01)
    assert datasheet["gemm.bfloat16"] == pytest.approx(989.4)
    assert datasheet["gemm.tf32"] == pytest.approx(494.7)
    assert datasheet["h2d.pinned"] == pytest.approx(63, abs=1)
    assert "launch" not in datasheet


def test_a_gpu_without_a_datasheet_gets_its_bandwidth_from_the_driver():
    unknown = gpu_properties("NVIDIA Engineering Sample")
    library = FakeDriverLibrary()
    gpu = Gpu(Driver.open(library), H100_UUID)
    assert datasheet_ceilings(unknown, gpu) == pytest.approx({"read": 3352.32, "copy": 3352.32})
    library.refuse("nvmlDeviceGetMemoryBusWidth", pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert datasheet_ceilings(unknown, gpu) == {}
    assert datasheet_ceilings(unknown, None) == {}


def test_progress_is_told_of_every_repeat():
    class Counting:
        total, done = None, 0

        def stage(self, label, total=None, *, seconds=None):
            self.total = total

        def advance(self, steps=1):
            self.done += steps

        def note(self, text):
            pytest.fail("nothing to note")

    progress = Counting()
    measure_ceilings(CpuDevice(), now=now, progress=progress, probes=constant_probes())
    assert progress.done == progress.total == (REPEATS + 1) * 5
