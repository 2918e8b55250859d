"""An architecture is read from a config, or refused by name."""

from __future__ import annotations

import pytest

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.presets import load_preset


def architecture(name: str, **changes: object) -> Architecture:
    return Architecture.from_config(load_preset(name).config | changes)


def test_an_unknown_model_type_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="'mamba'"):
        Architecture.from_config({"model_type": "mamba"})
    with pytest.raises(ValueError, match="None"):
        Architecture.from_config({})


def test_a_config_without_a_size_is_refused_with_the_name_of_the_size() -> None:
    config = dict(load_preset("tiny").config)
    del config["hidden_size"]
    with pytest.raises(ValueError, match="'llama' has no hidden_size"):
        Architecture.from_config(config)


def test_missing_heads_and_head_size_mean_what_transformers_takes_them_for() -> None:
    config = dict(load_preset("llama-3.1-8b").config)
    del config["num_key_value_heads"], config["head_dim"]
    read = Architecture.from_config(config)
    assert (read.kv_heads, read.head_size) == (32, 128)


def test_windows_come_from_the_layer_types_or_from_the_family() -> None:
    gemma = dict(load_preset("gemma-3-1b").config)
    listed = Architecture.from_config(gemma)
    del gemma["layer_types"]
    assert Architecture.from_config(gemma) == listed
    assert listed.windows[:6] == (512, 512, 512, 512, 512, None)
    assert architecture("mistral-7b-v0.3", sliding_window=4096).windows == (4096,) * 32
    assert architecture("qwen2.5-7b", sliding_window=4096).windows == (None,) * 28  # use_sliding_window is false


def test_kv_bytes_per_token_count_what_is_cached() -> None:
    assert architecture("llama-3.1-8b").kv_bytes_per_token(2) == 131072
    # transformers caches the latent and the rotary key of latent attention, and expands them at every step
    assert architecture("deepseek-v2-lite").kv_bytes_per_token(2) == 27 * (512 + 64) * 2


def test_a_sliding_layer_caches_no_more_than_its_window() -> None:
    gemma = architecture("gemma-2-2b")
    assert gemma.cached_tokens(1000) == 26 * 1000
    assert gemma.cached_tokens(8192) == 13 * 8192 + 13 * 4096


def test_shared_experts_and_first_dense_layers_are_told_apart() -> None:
    experts = architecture("deepseek-v2-lite").experts
    assert experts is not None
    assert (experts.experts, experts.experts_per_token, experts.shared_ffn_size) == (64, 6, 2816)
    assert experts.in_layer == (False,) + (True,) * 26
    assert architecture("llama-3.1-8b").experts is None


def test_uniform_routing_touches_few_experts_with_one_token_and_all_with_many() -> None:
    experts = architecture("mixtral-8x7b").experts
    assert experts is not None
    assert experts.touched_experts(1) == pytest.approx(2)
    assert experts.touched_experts(2) == pytest.approx(3.5)
    assert experts.touched_experts(1000) == pytest.approx(8)


def test_positions_are_learned_in_gpt2_only() -> None:
    assert architecture("gpt2").learned_positions == architecture("gpt2").max_positions == 1024
    assert architecture("tiny").learned_positions == 0
