"""What fits beside the weights."""

from __future__ import annotations

from dataclasses import replace

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.presets import load_preset
from profiler.session.capacity import capacity_of
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import SourceKind
from profiler.workload.spec import WorkloadSpec
from tests.unit.session.machines import FakeGpuDevice

PRESET = load_preset("llama-3.1-8b")
SPEC = WorkloadSpec(model="llama-3.1-8b", prompt_tokens=512, new_tokens=64)
LOADED = LoadedModel(
    model=None,
    source="llama-3.1-8b",
    source_kind=SourceKind.PRESET,
    config=PRESET.config,
    architecture=Architecture.from_config(PRESET.config),
    max_positions=131072,
    weights="random",
    dtype="bfloat16",
    attention="sdpa",
    parameters=PRESET.total_params,
    weight_bytes=2 * PRESET.total_params,
)


def test_the_kv_cache_of_the_largest_batch_fits_into_what_is_free_beside_the_weights() -> None:
    free_bytes = 60 * 10**9
    found = capacity_of(SPEC, LOADED, FakeGpuDevice(free_bytes))
    assert found.kv_bytes_per_token == 131072
    assert found.largest_batch is not None
    assert 0.4 * free_bytes < found.largest_batch * 576 * 131072 < free_bytes
    assert found.largest_context == 131072  # which is the model's maximum: memory would hold more


def test_more_free_memory_holds_more() -> None:
    small, large = (capacity_of(SPEC, LOADED, FakeGpuDevice(free * 10**9)) for free in (10, 60))
    assert (small.largest_batch or 0) < (large.largest_batch or 0)


def test_weights_that_stay_on_the_host_leave_the_same_room_as_weights_that_are_there_already() -> None:
    there = capacity_of(SPEC, LOADED, FakeGpuDevice(20 * 10**9))
    streamed = capacity_of(replace(SPEC, offload="cpu"), LOADED, FakeGpuDevice(20 * 10**9))
    assert streamed.largest_batch == there.largest_batch


def test_without_an_architecture_there_is_a_reason_and_no_number() -> None:
    found = capacity_of(SPEC, replace(LOADED, architecture=None), FakeGpuDevice(10**9))
    assert (found.largest_batch, found.largest_context, found.kv_bytes_per_token) == (None, None, None)
    assert found.sources["largest_batch"].missing
