"""Contexts that no prefill made: steps over them are those over a prompt's cache, but for its values."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from profiler.device.cpu import CpuDevice
from profiler.workload.engines import filled
from profiler.workload.engines.eager import EagerEngine
from profiler.workload.engines.static import FilledRequest, StaticRequest
from profiler.workload.spec import WorkloadSpec
from tests.unit.workload.models import FAMILIES, small_model

PROMPT, NEW = 11, 5  # longer than the windows of gemma2 and gpt_oss, 8 tokens

SPEC = WorkloadSpec(model="m", batch_size=2, prompt_tokens=PROMPT, new_tokens=NEW)


def layers_of(cache: Any) -> list[tuple[Any, ...]]:
    return [
        (type(layer), layer.keys.shape, layer.values.shape, layer.keys.dtype, int(layer.get_seq_length()))
        for layer in cache.layers
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_filled_cache_is_like_a_prompts_at_every_step(family: str) -> None:
    engine = EagerEngine(small_model(family), SPEC, CpuDevice())
    real, made = engine.decode(), engine.decode_filled()
    for _ in range(2):  # a reset brings both back
        real.reset()
        made.reset()
        assert layers_of(made._cache) == layers_of(real._cache)
        for _ in range(made.iterations_per_reset):
            real.iterate()
            made.iterate()
            assert layers_of(made._cache) == layers_of(real._cache)
    assert made.shape == real.shape


@pytest.mark.parametrize("family", FAMILIES)
def test_a_filled_static_cache_is_like_a_prompts(family: str) -> None:
    loaded = small_model(family)
    real, made = (kind(loaded, SPEC, CpuDevice(), PROMPT) for kind in (StaticRequest, FilledRequest))
    for _ in range(2):
        with torch.no_grad():
            assert made.rewind().shape == real.rewind().shape == (2, 1)
        assert layers_of(made.cache) == layers_of(real.cache)
        layers: list[Any] = made.cache.layers
        assert all(layer.keys[:, :, :PROMPT].abs().sum() > 0 for layer in layers)


def test_no_prompt_longer_than_a_token_is_computed() -> None:
    loaded = small_model("llama")
    lengths: list[int] = []
    loaded.model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    EagerEngine(loaded, SPEC, CpuDevice()).decode_filled().reset()
    with torch.no_grad():
        FilledRequest(loaded, SPEC, CpuDevice(), PROMPT).rewind()
    assert lengths == [1, 1]


@pytest.mark.parametrize("mode", ["eager", "compile"])
def test_layers_that_nobody_knows_are_filled_by_a_prefill(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setattr(filled, "_all_known", lambda cache, *known: False)
    loaded = small_model("llama")
    if mode == "eager":
        decode = EagerEngine(loaded, SPEC, CpuDevice()).decode_filled()
        decode.reset()
        cache = decode._cache
    else:
        request = FilledRequest(loaded, SPEC, CpuDevice(), PROMPT)
        with torch.no_grad():
            request.rewind()
        cache = request.cache
    assert {int(layer.get_seq_length()) for layer in cache.layers} == {PROMPT}
