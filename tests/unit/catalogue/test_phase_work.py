"""The analytic counts, held against torch's own counter and against hardware counters."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache, PretrainedConfig

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.presets import load_preset
from profiler.catalogue.work import PhaseWork, phase_work, visible_pairs

NCU_COUNTERS = Path(__file__).parents[4] / "shared/data/gpu/ncu_llama4layer_decode_b1_h100.csv"

_SMALL = {
    "vocab_size": 320,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "head_dim": 16,
    "pad_token_id": None,
}
SMALL_CONFIGS: dict[str, dict[str, Any]] = {
    "llama": _SMALL,
    "qwen3": _SMALL,
    "gemma2": _SMALL | {"sliding_window": 8, "query_pre_attn_scalar": 16},
    "gpt2": {"vocab_size": 320, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "mixtral": _SMALL | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt_oss": _SMALL | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8},
    "deepseek_v2": {
        "vocab_size": 320,
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "intermediate_size": 96,
        "moe_intermediate_size": 32,
        "first_k_dense_replace": 1,
        "n_routed_experts": 4,
        "n_shared_experts": 2,
        "num_experts_per_tok": 2,
        "kv_lora_rank": 24,
        "q_lora_rank": 20,
        "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 8,
        "v_head_dim": 12,
        "n_group": 1,
        "topk_group": 1,
        "pad_token_id": None,
    },
}
BATCH, PROMPT = 2, 12


def small_model(model_type: str) -> torch.nn.Module:
    config = AutoConfig.for_model(model_type, **SMALL_CONFIGS[model_type])
    torch.manual_seed(0)
    # The counter gives grouped_mm, the default way to run experts, 0 FLOPs: one matmul an expert is counted.
    kwargs = {"experts_implementation": "eager"} if hasattr(config, "num_experts_per_tok") else {}
    model: torch.nn.Module = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="eager", **kwargs
    )
    return model.eval()


def counted_flops(model: torch.nn.Module, tokens: torch.Tensor, cache: DynamicCache) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return counter.get_total_flops() - rotary_flops(model.config, tokens)


def rotary_flops(config: PretrainedConfig, tokens: torch.Tensor) -> int:
    """Rotary angles are an outer product written as a matmul: counted by torch, left out of the analytic count."""
    if config.model_type == "gpt2":
        return 0
    size = config.qk_rope_head_dim if config.model_type == "deepseek_v2" else config.head_dim
    return 2 * (size // 2) * tokens.shape[1]


def expected_of_eager(work: PhaseWork, architecture: Architecture, query_tokens: int, context_tokens: int) -> float:
    """The analytic count as eager attention does it: every query against every key there is, masked ones too.

    That is the counter's one difference to the causal count; its windows are cached tokens, not visible ones.
    """
    visible = sum(visible_pairs(query_tokens, context_tokens, window) for window in architecture.windows)
    done = sum(
        query_tokens
        * (context_tokens + query_tokens if window is None else min(context_tokens, window - 1) + query_tokens)
        for window in architecture.windows
    )
    return work.linear_flops + work.head_flops + work.attention_flops * done / visible


@pytest.mark.parametrize("model_type", SMALL_CONFIGS)
def test_flops_of_prefill_and_of_a_decode_step_are_those_that_torch_counts(model_type: str) -> None:
    model = small_model(model_type)
    architecture = Architecture.from_config(model.config.to_dict())
    cache = DynamicCache(config=model.config)
    sizes = {"weight_dtype_bytes": 4, "kv_dtype_bytes": 4, "batch_size": BATCH}

    counted = counted_flops(model, torch.ones(BATCH, PROMPT, dtype=torch.long), cache)
    work = phase_work(architecture, query_tokens=PROMPT, context_tokens=0, cache_tokens=0, **sizes)
    assert counted == pytest.approx(expected_of_eager(work, architecture, PROMPT, 0), rel=1e-9)

    counted = counted_flops(model, torch.ones(BATCH, 1, dtype=torch.long), cache)
    work = phase_work(architecture, query_tokens=1, context_tokens=PROMPT, cache_tokens=PROMPT, **sizes)
    assert counted == pytest.approx(expected_of_eager(work, architecture, 1, PROMPT), rel=1e-9)


@pytest.mark.parametrize("model_type", SMALL_CONFIGS)
def test_kv_written_is_what_the_cache_of_transformers_grows_by(model_type: str) -> None:
    model = small_model(model_type)
    architecture = Architecture.from_config(model.config.to_dict())
    cache = DynamicCache(config=model.config)
    prompt = 6  # inside every window, so that nothing is dropped
    with torch.no_grad():
        model(input_ids=torch.ones(BATCH, prompt, dtype=torch.long), past_key_values=cache, use_cache=True)
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    work = phase_work(
        architecture,
        batch_size=BATCH,
        query_tokens=prompt,
        context_tokens=0,
        cache_tokens=0,
        weight_dtype_bytes=4,
        kv_dtype_bytes=4,
    )
    assert work.kv_write_bytes == held == BATCH * prompt * architecture.kv_bytes_per_token(4)


@pytest.mark.skipif(not NCU_COUNTERS.exists(), reason=f"no hardware counters at {NCU_COUNTERS}")
def test_bytes_of_a_decode_step_are_within_one_percent_of_hardware_counters() -> None:
    lines = [line for line in NCU_COUNTERS.read_text().splitlines() if line.startswith('"')]
    counted = sum(
        float(row["Metric Value"].replace(",", ""))
        for row in csv.DictReader(lines)
        if row["Metric Name"] == "dram__bytes_read.sum"
    )
    architecture = Architecture.from_config(load_preset("llama-3.1-8b").config | {"num_hidden_layers": 4})
    work = phase_work(
        architecture,
        batch_size=1,
        query_tokens=1,
        context_tokens=512,
        cache_tokens=512,
        weight_dtype_bytes=2,
        kv_dtype_bytes=2,
    )
    assert counted == pytest.approx(2818.6e6, rel=1e-4)  # the file is the one that is meant
    assert work.weight_bytes + work.kv_read_bytes == pytest.approx(counted, rel=0.01)


def decode(architecture: Architecture, **changes: int) -> PhaseWork:
    sizes = {"batch_size": 1, "query_tokens": 1, "context_tokens": 512, "cache_tokens": 512} | changes
    return phase_work(architecture, weight_dtype_bytes=2, kv_dtype_bytes=2, **sizes)


def test_a_static_cache_is_read_to_its_end_and_costs_no_flops_there() -> None:
    architecture = Architecture.from_config(load_preset("llama-3.1-8b").config)
    grown, static = decode(architecture), decode(architecture, cache_tokens=2048)
    assert static.kv_read_bytes == 2048 * architecture.kv_bytes_per_token(2)
    assert static.kv_read_bytes > grown.kv_read_bytes
    assert static.flops == grown.flops


def test_a_sliding_window_limits_what_is_read_and_what_is_computed() -> None:
    architecture = Architecture.from_config(load_preset("mistral-7b-v0.3").config)
    windowed = replace(architecture, windows=(1024,) * architecture.layers)
    long = {"context_tokens": 8191, "cache_tokens": 8191}
    assert decode(windowed, **long).kv_read_bytes == decode(architecture, **long).kv_read_bytes / 8
    assert decode(windowed, **long).attention_flops == decode(architecture, **long).attention_flops / 8


@pytest.mark.parametrize("window", [1, 3, 8, 20, None])
@pytest.mark.parametrize("context_tokens", [0, 2, 8, 30])
@pytest.mark.parametrize("query_tokens", [1, 2, 9])
def test_visible_pairs_are_the_ones_of_the_mask(query_tokens: int, context_tokens: int, window: int | None) -> None:
    positions = range(context_tokens, context_tokens + query_tokens)
    mask = [
        key <= query and (window is None or key > query - window)
        for query in positions
        for key in range(context_tokens + query_tokens)
    ]
    assert visible_pairs(query_tokens, context_tokens, window) == sum(mask)


def test_one_token_of_a_mixture_reads_its_experts_and_a_long_prompt_reads_all() -> None:
    architecture = Architecture.from_config(load_preset("mixtral-8x7b").config)
    step = decode(architecture)
    unread_embedding = architecture.head_parameters - architecture.hidden_size
    assert step.weight_bytes == pytest.approx(2 * (architecture.active_parameters - unread_embedding))
    prompt = decode(architecture, query_tokens=512, context_tokens=0)
    assert prompt.weight_bytes == pytest.approx(
        2 * (architecture.parameters - architecture.head_parameters + 512 * architecture.hidden_size)
    )


def test_a_tied_head_is_read_although_it_is_no_parameter_of_its_own() -> None:
    architecture = Architecture.from_config(load_preset("llama-3.2-1b").config)
    one_row = architecture.hidden_size
    assert decode(architecture).weight_bytes == 2 * (architecture.parameters + one_row)


def test_sizes_that_cannot_be_are_refused() -> None:
    architecture = Architecture.from_config(load_preset("tiny").config)
    with pytest.raises(ValueError, match="batch_size"):
        decode(architecture, batch_size=0)
    with pytest.raises(ValueError, match="at least 0"):
        decode(architecture, context_tokens=-1)
