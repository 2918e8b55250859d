"""How the decoder blocks of one model family differ from those of another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlockStyle:
    """What the blocks of a model family have, beside the sizes of their matrices."""

    gated_ffn: bool = True
    norms_per_block: int = 2
    norm_bias: bool = False
    query_key_value_bias: bool = False
    output_bias: bool = False
    ffn_bias: bool = False
    query_key_norm: bool = False
    attention_sinks: bool = False
    expert_bias: bool = False
    full_attention_every: int | None = None  # where a config without `layer_types` means every n-th layer
    ties_by_default: bool = False


# What the modelling files of transformers 5.17 build for each model_type.
BLOCK_STYLES = {
    "llama": BlockStyle(),
    "mistral": BlockStyle(),
    "mixtral": BlockStyle(),
    "phi3": BlockStyle(),
    "deepseek_v2": BlockStyle(),
    "qwen2": BlockStyle(query_key_value_bias=True),
    "qwen3": BlockStyle(query_key_norm=True),
    "qwen3_moe": BlockStyle(query_key_norm=True),
    "gemma2": BlockStyle(norms_per_block=4, full_attention_every=2, ties_by_default=True),
    "gemma3_text": BlockStyle(norms_per_block=4, query_key_norm=True, full_attention_every=6, ties_by_default=True),
    "gpt_oss": BlockStyle(attention_sinks=True, expert_bias=True, full_attention_every=2),
    "gpt2": BlockStyle(
        gated_ffn=False,
        norm_bias=True,
        query_key_value_bias=True,
        output_bias=True,
        ffn_bias=True,
        ties_by_default=True,
    ),
}
