"""A sweep on a real GPU: every mode at every size, filled contexts cost what prefilled ones do, memory comes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from profiler.device.base import Device
from profiler.device.cuda import CudaDevice
from profiler.measure.clean import measure_clean
from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.serving.surface import SurfaceCosts
from profiler.session.bench import Bench
from profiler.session.sweep import Sweep
from profiler.session.sweep_grid import Size, SweepGrid
from profiler.session.swept_model import SweptModel
from profiler.workload.build import load
from profiler.workload.engines import engine_of
from profiler.workload.source import resolve
from profiler.workload.spec import WorkloadSpec
from tests.gpu.compiling import compiles
from tests.unit.measure.stand_ins import FakeClock, FakeSampler
from tests.unit.session.machines import ceilings_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]

GRID = SweepGrid((1, 4), (64, 256))


@pytest.fixture(scope="module")
def device() -> Device:
    return CudaDevice(0)


def swept_model(device: Device, mode: str, model: str = "tiny") -> SweptModel:
    spec = WorkloadSpec(model=model, weights="random", mode=mode, prompt_tokens=512, new_tokens=32)
    return SweptModel(load(spec, resolve(model), device, SilentProgress(), time.monotonic_ns), spec, device)


def bench_of(device: Device) -> Bench:
    ceilings, sampler = ceilings_of(device.properties), FakeSampler(FakeClock())
    return Bench(device, ceilings, sampler, time.monotonic_ns, Plan.quick(), SilentProgress())


@compiles
@pytest.mark.parametrize("mode", ["eager", "graph", "compile"])
def test_every_mode_is_swept_whole_and_gives_its_memory_back(device: Device, mode: str) -> None:
    model = swept_model(device, mode)
    device.empty_cache()
    free = device.free_bytes()
    sweep = Sweep(bench_of(device), model, GRID, GRID)
    sweep.run()
    surface = sweep.surface()
    assert surface is not None
    SurfaceCosts(surface)
    if mode != "compile":  # which may run out of time: each point is compiled
        assert sweep.warnings() == []
        assert len(surface.prefill) == len(surface.decode) == 4
        device.empty_cache()
        assert free - device.free_bytes() < 2**28  # libraries keep workspaces of their own


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_filled_context_costs_what_a_prefilled_one_does(device: Device, mode: str) -> None:
    model = swept_model(device, mode, "llama-3.2-1b")
    size = Size(8, 2048)
    engine = engine_of(model.loaded, model._spec("decode", size), device)
    times = []
    for decode in (engine.decode(), engine.decode_filled(), engine.decode(), engine.decode_filled()):
        passed = measure_clean(decode, device, time.monotonic_ns, Plan.sweep(), SilentProgress())
        gpu_ms = passed.clean.gpu_ms
        assert gpu_ms is not None
        times.append(gpu_ms.median)
    filled, prefilled = min(times[1::2]), min(times[::2])
    assert filled == pytest.approx(prefilled, rel=0.05 if mode == "graph" else 0.2)  # an eager one follows its host


def test_the_claims_of_the_benchmark_hold_for_llama(tmp_path: Path) -> None:
    """The sweep of an 8B model, and 200 requests of a real log at its costs."""
    from benchmarks import sweep

    if not sweep.LOG.exists():
        pytest.skip(f"there is no log at {sweep.LOG}")
    if torch.cuda.mem_get_info()[0] < 40 * 2**30:
        pytest.skip("an 8B model and its caches need 40 GiB")
    rows, _ = sweep.measure("cuda", sweep.GPU, sweep.LOG, sweep.REQUESTS)
    assert [row.what for row in rows if row.holds is False] == []
