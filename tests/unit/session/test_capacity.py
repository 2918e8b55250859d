"""What fits beside the weights."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.presets import load_preset
from profiler.errors import WillNotFitError
from profiler.session.capacity import capacity_of
from profiler.workload.fit import Need, Room, check_fit
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


def test_streamed_weights_leave_less_room_by_the_module_that_is_copied_at_once() -> None:
    head_bytes = 2 * 128256 * 4096
    there = capacity_of(SPEC, LOADED, FakeGpuDevice(20 * 10**9))
    streamed = capacity_of(replace(SPEC, offload="cpu"), LOADED, FakeGpuDevice(20 * 10**9 + head_bytes))
    assert (streamed.largest_batch, streamed.largest_context) == (there.largest_batch, there.largest_context)


def test_a_static_cache_holds_fewer_sequences_of_a_model_with_windows() -> None:
    gemma = load_preset("gemma-3-12b-text")
    loaded = replace(LOADED, architecture=Architecture.from_config(gemma.config), weight_bytes=2 * gemma.total_params)
    long = replace(SPEC, prompt_tokens=32_000)
    grown, static = (
        capacity_of(replace(long, mode=mode), loaded, FakeGpuDevice(50 * 10**9)) for mode in ("eager", "graph")
    )
    assert 0 < (static.largest_batch or 0) < (grown.largest_batch or 0)


def test_what_is_called_the_largest_batch_is_let_in_by_the_check_before_loading() -> None:
    free_bytes = 20 * 10**9
    found = capacity_of(SPEC, LOADED, FakeGpuDevice(free_bytes))
    room = Room("cuda", free_bytes + (LOADED.weight_bytes or 0), host_bytes=0)
    at_most = Need(SPEC, LOADED.weight_bytes or 0, "bfloat16", LOADED.architecture, "sdpa").sized(
        batch_size=found.largest_batch or 0
    )
    check_fit(at_most, room)
    with pytest.raises(WillNotFitError):
        check_fit(at_most.sized(batch_size=at_most.spec.batch_size + 1), room)


def test_without_an_architecture_there_is_a_reason_and_no_number() -> None:
    found = capacity_of(SPEC, replace(LOADED, architecture=None), FakeGpuDevice(10**9))
    assert (found.largest_batch, found.largest_context, found.kv_bytes_per_token) == (None, None, None)
    assert found.sources["largest_batch"].missing
