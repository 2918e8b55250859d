"""A loaded model at any size: its phases, the room they need, and how their work grows."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.footprint import WORKSPACE_BYTES
from profiler.catalogue.presets import load_preset
from profiler.device.base import Device
from profiler.device.cpu import CpuDevice
from profiler.progress import SilentProgress
from profiler.serving.surface import SurfaceCosts
from profiler.session.bench import Bench
from profiler.session.sweep import Sweep
from profiler.session.sweep_grid import Size, SweepGrid
from profiler.session.swept_model import NEW_TOKENS, SweptModel
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import SourceKind
from profiler.workload.spec import WorkloadSpec
from tests.unit.measure.stand_ins import FakeClock, FakeSampler
from tests.unit.session.machines import SHORTEST, FakeGpuDevice, ceilings_of
from tests.unit.workload.models import small_model

SPEC = WorkloadSpec(model="m", batch_size=7, prompt_tokens=99, new_tokens=64)
KV_BYTES = 131_072  # a token of Llama-3.1-8B in bfloat16


def llama(device: Device, *, known: bool = True) -> SweptModel:
    preset = load_preset("llama-3.1-8b")
    loaded = LoadedModel(
        model=None,
        source="llama-3.1-8b",
        source_kind=SourceKind.PRESET,
        config=preset.config,
        architecture=Architecture.from_config(preset.config) if known else None,
        max_positions=131_072,
        weights="random",
        dtype="bfloat16",
        attention="sdpa",
        parameters=preset.total_params,
        weight_bytes=preset.total_params * 2,
    )
    return SweptModel(loaded, SPEC, device)


@pytest.mark.parametrize("size", [Size(1, 5), Size(3, 40)])
def test_phases_have_the_size_that_is_asked_for(size: Size) -> None:
    model = SweptModel(small_model("llama"), SPEC, CpuDevice())
    prefill, decode = model.phase("prefill", size).shape, model.phase("decode", size).shape
    assert prefill is not None
    assert decode is not None
    assert (prefill.batch_size, prefill.query_tokens) == (size.batch_size, size.tokens)
    assert (decode.batch_size, decode.query_tokens, decode.context_tokens) == (size.batch_size, 1, size.tokens)


def test_a_phase_runs_at_its_size() -> None:
    decode = SweptModel(small_model("llama"), SPEC, CpuDevice()).phase("decode", Size(3, 40))
    decode.reset()
    for _ in range(decode.iterations_per_reset):
        decode.iterate()
    assert decode.iterations_per_reset == NEW_TOKENS - 1


def test_what_is_longer_than_the_models_positions_has_no_room() -> None:
    model = llama(FakeGpuDevice(free_bytes=10**15))
    assert model.longest == 131_072 - NEW_TOKENS
    assert model.lacks_room("prefill", Size(1, 131_072)) == "is beyond the model's maximum of 131,072 tokens"
    assert model.lacks_room("prefill", Size(1, 131_063)) is None


def test_a_decode_needs_its_cache_and_little_besides() -> None:
    tokens = 64 * 4096
    for slack, fits in ((1.0, False), (1.4, True)):
        model = llama(FakeGpuDevice(free_bytes=round(tokens * KV_BYTES * slack) + WORKSPACE_BYTES))
        assert (model.lacks_room("decode", Size(64, 4096)) is None) is fits


def test_a_prefill_needs_its_activations_too() -> None:
    model = llama(FakeGpuDevice(free_bytes=round(64 * 4096 * KV_BYTES * 1.4) + WORKSPACE_BYTES))
    reason = model.lacks_room("prefill", Size(64, 4096))
    assert reason is not None
    assert reason.startswith("needs ")
    assert reason.endswith(" GB are free")


def test_an_architecture_that_nobody_counts_is_tried() -> None:
    assert llama(FakeGpuDevice(free_bytes=1), known=False).lacks_room("decode", Size(64, 4096)) is None


def test_a_small_model_is_swept_as_far_as_the_memory_of_its_device_goes() -> None:
    device, loaded = FakeGpuDevice(free_bytes=WORKSPACE_BYTES + 10 * 10**6), small_model("llama")
    known = replace(loaded, architecture=Architecture.from_config(loaded.model.config.to_dict()), dtype="float32")
    bench = Bench(
        device,
        ceilings_of(device.properties),
        FakeSampler(FakeClock()),
        time.monotonic_ns,
        SHORTEST,
        SilentProgress(),
    )
    grid = SweepGrid((1, 4, 4096), (16, 64, 1000))
    sweep = Sweep(bench, SweptModel(replace(known, max_positions=256), SPEC, device), grid, grid)
    sweep.run()
    surface = sweep.surface()
    assert surface is not None
    SurfaceCosts(surface)  # raises where a grid has a hole
    assert [(p.batch_size, p.context_tokens) for p in surface.decode] == [(1, 16), (1, 64), (4, 16), (4, 64)]
    assert len(surface.prefill) == 4
    assert [warning.message.partition(":")[0] for warning in sweep.warnings()] == [
        "the sweep left out 1,000 tokens",
        "the sweep left out batch 4,096",
    ] * 2


def test_work_grows_with_flops_or_bytes_whichever_grows_more() -> None:
    model = llama(FakeGpuDevice())
    prefill = model.growth("prefill", Size(1, 512), Size(1, 2048))
    assert 4 < prefill < 5  # attention is a little more than linear
    assert model.growth("decode", Size(1, 128), Size(1, 1024)) < 1.1  # the weights are read all the same
    assert math.isclose(model.growth("decode", Size(1, 128), Size(4, 128)), 4, rel_tol=0.01)
    assert llama(FakeGpuDevice(), known=False).growth("decode", Size(1, 128), Size(2, 256)) == 4
