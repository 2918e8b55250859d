"""What a model needs is known before it is loaded, and never underestimated."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache, StaticCache

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.footprint import activation_bytes, footprint, kv_cache_bytes
from profiler.catalogue.presets import load_preset

GIB = 2**30
H100_FREE = 79 * GIB
BATCH, PROMPT = 2, 192


class LiveStorage(TorchDispatchMode):
    """Follows the bytes of all tensors made inside it; `peak` is the most that were alive at once."""

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.seen = {tensor.untyped_storage()._cdata for tensor in known}
        self.live = self.peak = 0

    def __torch_dispatch__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in torch.utils._pytree.tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.follow(leaf.untyped_storage())
        return result

    def follow(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.seen:
            self.seen.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self.forget, key, size)

    def forget(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.live -= size


_MEDIUM = {
    "vocab_size": 1000,
    "hidden_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 896,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
MEDIUM_CONFIGS: dict[str, dict[str, Any]] = {
    "llama": _MEDIUM,
    "gemma2": _MEDIUM | {"head_dim": 32},
    "phi3": _MEDIUM,
    "mixtral": _MEDIUM | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt2": {
        "vocab_size": 1000,
        "n_embd": 256,
        "n_layer": 3,
        "n_head": 8,
        "bos_token_id": None,
        "eos_token_id": None,
    },
}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("model_type", MEDIUM_CONFIGS)
def test_activations_of_a_real_prefill_stay_below_the_estimate_and_near_it(model_type: str, attention: str) -> None:
    config = AutoConfig.for_model(model_type, **MEDIUM_CONFIGS[model_type])
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation=attention).eval()
    cache = DynamicCache(config=config)
    prompt = torch.ones(BATCH, PROMPT, dtype=torch.long)
    with torch.no_grad(), LiveStorage([*model.parameters(), *model.buffers()]) as storage:
        model(input_ids=prompt, past_key_values=cache, use_cache=True, logits_to_keep=1)

    architecture = Architecture.from_config(config.to_dict())
    sizes = {"dtype_bytes": 2, "batch_size": BATCH}
    alive = storage.peak - kv_cache_bytes(architecture, tokens=PROMPT, **sizes)
    estimate = activation_bytes(architecture, query_tokens=PROMPT, eager_attention=attention == "eager", **sizes)
    assert alive <= estimate <= 2 * alive


@pytest.mark.parametrize(("model_type", "window"), [("llama", {}), ("gemma2", {"sliding_window": 16})])
def test_the_cache_of_transformers_takes_what_was_said(model_type: str, window: dict[str, int]) -> None:
    config = AutoConfig.for_model(model_type, **MEDIUM_CONFIGS[model_type], **window)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    cache = StaticCache(config=config, max_cache_len=40)
    with torch.no_grad():
        model(input_ids=torch.ones(BATCH, 8, dtype=torch.long), past_key_values=cache, use_cache=True)
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    architecture = Architecture.from_config(config.to_dict())
    assert kv_cache_bytes(architecture, dtype_bytes=2, batch_size=BATCH, tokens=40) == held


def test_an_8b_model_fits_on_an_80_gb_card_and_a_70b_model_does_not() -> None:
    sizes = {"dtype_bytes": 2, "batch_size": 1, "prompt_tokens": 512, "new_tokens": 128}
    small = footprint(Architecture.from_config(load_preset("llama-3.1-8b").config), **sizes)
    assert small.weight_bytes == 2 * 8030261248
    assert small.kv_bytes == 640 * 131072
    assert small.total < H100_FREE
    large = footprint(Architecture.from_config(load_preset("llama-3.1-70b").config), **sizes)
    assert large.total > H100_FREE


def test_attention_that_materialises_its_scores_needs_more_for_a_long_prompt() -> None:
    architecture = Architecture.from_config(load_preset("llama-3.1-8b").config)
    sizes = {"dtype_bytes": 2, "batch_size": 1, "prompt_tokens": 8192, "new_tokens": 1}
    fused = footprint(architecture, **sizes)
    eager = footprint(architecture, eager_attention=True, **sizes)
    assert eager.activation_bytes - fused.activation_bytes > 32 * 8192**2 * 8
    assert eager.kv_bytes == fused.kv_bytes
