"""Laws that the analytic counts keep for every shape."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.presets import load_preset, preset_names
from profiler.catalogue.work import PhaseWork, phase_work, visible_pairs
from profiler.workload.fit import Need, Room, largest_batch, largest_context
from profiler.workload.spec import WorkloadSpec

ARCHITECTURES = [Architecture.from_config(load_preset(name).config) for name in preset_names()]
DENSE = [architecture for architecture in ARCHITECTURES if architecture.experts is None]
GIB = 2**30

architectures = st.sampled_from(ARCHITECTURES)
shapes = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 64),
        "query_tokens": st.integers(1, 4096),
        "context_tokens": st.integers(0, 9000),
        "cache_tokens": st.integers(0, 20000),
        "logits_tokens": st.integers(1, 4),
    }
)
sizes = st.sampled_from(["batch_size", "query_tokens", "context_tokens", "cache_tokens", "logits_tokens"])


def work(architecture: Architecture, shape: dict[str, int], dtype_bytes: float = 2) -> PhaseWork:
    return phase_work(architecture, weight_dtype_bytes=dtype_bytes, kv_dtype_bytes=dtype_bytes, **shape)


@given(architectures, shapes, sizes, st.integers(1, 5000))
def test_work_never_shrinks_when_a_size_grows(
    architecture: Architecture, shape: dict[str, int], size: str, more: int
) -> None:
    before, after = work(architecture, shape), work(architecture, shape | {size: shape[size] + more})
    for field in PhaseWork.__dataclass_fields__:
        assert getattr(after, field) >= getattr(before, field) * (1 - 1e-12), field


@given(architectures, shapes, st.integers(2, 8))
def test_flops_and_cache_traffic_are_proportional_to_the_batch(
    architecture: Architecture, shape: dict[str, int], times: int
) -> None:
    one, many = work(architecture, shape), work(architecture, shape | {"batch_size": times * shape["batch_size"]})
    assert many.flops == pytest.approx(times * one.flops)
    assert many.kv_bytes == pytest.approx(times * one.kv_bytes)


@given(st.sampled_from(DENSE), shapes, st.integers(2, 8))
def test_a_dense_model_reads_its_weights_once_whatever_the_batch(
    architecture: Architecture, shape: dict[str, int], times: int
) -> None:
    one, many = work(architecture, shape), work(architecture, shape | {"batch_size": times * shape["batch_size"]})
    rows = 2 * (times - 1) * shape["batch_size"] * shape["query_tokens"] * architecture.hidden_size
    assert many.weight_bytes - one.weight_bytes <= rows  # no more than the embedding's rows


@given(architectures, shapes)
def test_bytes_are_proportional_to_the_size_of_an_element(architecture: Architecture, shape: dict[str, int]) -> None:
    assert work(architecture, shape, 4).bytes == pytest.approx(2 * work(architecture, shape, 2).bytes)
    assert work(architecture, shape, 4).flops == work(architecture, shape, 2).flops


@given(architectures, shapes)
def test_weights_read_are_at_most_all_of_them_and_the_rows_of_the_embedding(
    architecture: Architecture, shape: dict[str, int]
) -> None:
    tokens = min(shape["batch_size"] * shape["query_tokens"], architecture.vocabulary_size)
    most = 2 * (architecture.parameters + tokens * architecture.hidden_size)
    assert work(architecture, shape).weight_bytes <= most * (1 + 1e-12)


@given(architectures, st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 6000))
def test_a_prompt_in_two_chunks_needs_the_attention_of_a_prompt_in_one(
    architecture: Architecture, first: int, second: int, before: int
) -> None:
    for window in set(architecture.windows):
        whole = visible_pairs(first + second, before, window)
        assert visible_pairs(first, before, window) + visible_pairs(second, before + first, window) == whole


@given(architectures, shapes, st.integers(1, 4096))
def test_a_window_never_adds_work(architecture: Architecture, shape: dict[str, int], window: int) -> None:
    full = replace(architecture, windows=(None,) * architecture.layers)
    windowed = replace(architecture, windows=(window,) * architecture.layers)
    assert work(windowed, shape).attention_flops <= work(full, shape).attention_flops
    assert work(windowed, shape).kv_read_bytes <= work(full, shape).kv_read_bytes


needs = st.builds(
    Need,
    spec=st.builds(
        WorkloadSpec,
        model=st.just("any"),
        batch_size=st.integers(1, 64),
        prompt_tokens=st.integers(1, 8192),
        new_tokens=st.integers(2, 2048),
        mode=st.sampled_from(["eager", "graph"]),
    ),
    weight_bytes=st.integers(0, 100 * GIB),
    dtype=st.sampled_from(["bfloat16", "float32"]),
    architecture=architectures,
    attention=st.sampled_from(["sdpa", "eager", "math"]),
)
streamed = needs.map(lambda need: replace(need, spec=replace(need.spec, mode="eager", offload="cpu")))
free = st.integers(1 * GIB, 200 * GIB)


@given(needs | streamed, free)
def test_the_largest_batch_fits_and_one_more_does_not(need: Need, free_bytes: int) -> None:
    batch_size = largest_batch(need, free_bytes)
    if batch_size:
        assert need.sized(batch_size=batch_size).running_bytes <= free_bytes
    assert need.sized(batch_size=batch_size + 1).running_bytes > free_bytes


@given(needs | streamed, free)
def test_the_largest_context_fits_and_one_more_token_does_not_or_has_no_position(need: Need, free_bytes: int) -> None:
    context = largest_context(need, free_bytes)
    assert need.architecture is not None
    if context:
        assert need.sized(prompt_tokens=context - 2, new_tokens=2).running_bytes <= free_bytes
    if context != need.architecture.max_positions:
        prompt = max(context - 2, 0) + 1
        no_position = prompt + 2 > (need.architecture.max_positions or prompt + 2)
        assert need.sized(prompt_tokens=prompt, new_tokens=2).running_bytes > free_bytes or no_position


@given(needs, free)
def test_a_model_that_is_let_in_has_room_for_its_batch_when_its_weights_are_in_place(
    need: Need, free_bytes: int
) -> None:
    room = Room("cuda", need.weight_bytes + free_bytes, host_bytes=0)
    assert room.holds(need) == (largest_batch(need, free_bytes) >= need.spec.batch_size)
