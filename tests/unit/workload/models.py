"""Small models of several families, and a device to put them on."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from profiler.device.cpu import CpuDevice
from profiler.workload.loaded import LoadedModel
from profiler.workload.source import SourceKind

VOCABULARY = 257

_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
_ALTERNATING = ["sliding_attention", "full_attention"] * 2

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": _SIZES,
    "qwen3": _SIZES,
    "gemma2": _SIZES | {"sliding_window": 8},
    "gpt2": {
        "n_embd": 64,
        "n_layer": 3,
        "n_head": 4,
        "n_positions": 256,
        "vocab_size": VOCABULARY,
        "bos_token_id": None,
        "eos_token_id": None,
    },
    "mixtral": _SIZES | {"num_local_experts": 4},
    "gpt_oss": _SIZES
    | {
        "num_local_experts": 4,
        "sliding_window": 8,
        "layer_types": _ALTERNATING,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    },
}


def ticking_clock() -> Any:
    """A clock that moves on by a second at each reading, in nanoseconds."""
    ticks = count()
    return lambda: next(ticks) * 1_000_000_000


def small_model(family: str, attention: str | None = None) -> LoadedModel:
    """A model whose weights are large enough that its greedy tokens vary."""
    config = AutoConfig.for_model(family, **FAMILIES[family])
    arguments = {} if attention is None else {"attn_implementation": attention}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, **arguments).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(5)
    return LoadedModel(
        model=model,
        source=family,
        source_kind=SourceKind.PRESET,
        config=config.to_dict(),
        architecture=None,
        max_positions=256,
        weights="random",
        dtype="float32",
        attention=model.config._attn_implementation,
        parameters=None,
        weight_bytes=None,
    )


class FakeCudaDevice(CpuDevice):
    """The CPU, calling itself a GPU."""

    def __init__(self, free_bytes: int = 80 * 10**9) -> None:
        super().__init__()
        self._properties = replace(self._properties, kind="cuda", name="fake GPU")
        self._free_bytes = free_bytes

    def free_bytes(self) -> int:
        return self._free_bytes
