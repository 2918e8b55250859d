"""The shape of a decoder-only transformer, as far as its bytes and FLOPs need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from profiler.catalogue.block_style import BLOCK_STYLES, BlockStyle

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MixtureOfExperts:
    """The sparse FFN. `in_layer` says which layers have it; the others have the dense one."""

    experts: int
    experts_per_token: int
    ffn_size: int
    shared_ffn_size: int
    in_layer: tuple[bool, ...]

    def touched_experts(self, tokens: float) -> float:
        """Experts of one layer that `tokens` tokens reach, if routing is uniform: E (1 - (1 - k/E)^T)."""
        missed: float = (1.0 - self.experts_per_token / self.experts) ** tokens
        return self.experts * (1.0 - missed)


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434); `query_rank` None: queries are not compressed."""

    kv_rank: int
    query_rank: int | None
    nope_head_size: int
    rope_head_size: int
    value_head_size: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """One model. Sizes are elements, not bytes; `windows` has each layer's sliding window, None for full attention."""

    model_type: str
    hidden_size: int
    layers: int
    query_heads: int
    kv_heads: int
    head_size: int
    ffn_size: int
    vocabulary_size: int
    tied_embeddings: bool
    max_positions: int | None
    learned_positions: int
    windows: tuple[int | None, ...]
    style: BlockStyle
    experts: MixtureOfExperts | None = None
    latent: LatentAttention | None = None

    @classmethod
    def from_config(cls, config: Config) -> Architecture:
        """Read a Hugging Face config: a `config.json`, or `config.to_dict()` of transformers.

        Raises ValueError for a `model_type` whose parameters nobody here knows how to count, and for a config
        that lacks a size.
        """
        model_type = config.get("model_type")
        style = BLOCK_STYLES.get(str(model_type))
        if style is None:
            raise ValueError(
                f"cannot count bytes and FLOPs of model_type {model_type!r}; known: {', '.join(sorted(BLOCK_STYLES))}"
            )
        layers = _size(config, "num_hidden_layers", "n_layer")
        hidden_size = _size(config, "hidden_size", "n_embd")
        query_heads = _size(config, "num_attention_heads", "n_head")
        max_positions = config.get("max_position_embeddings") or config.get("n_positions")
        tied = config.get("tie_word_embeddings")
        return cls(
            model_type=str(model_type),
            hidden_size=hidden_size,
            layers=layers,
            query_heads=query_heads,
            kv_heads=config.get("num_key_value_heads") or query_heads,
            head_size=config.get("head_dim") or hidden_size // query_heads,
            ffn_size=_ffn_size(config, hidden_size),
            vocabulary_size=_size(config, "vocab_size"),
            tied_embeddings=style.ties_by_default if tied is None else bool(tied),
            max_positions=max_positions,
            learned_positions=_size(config, "n_positions") if model_type == "gpt2" else 0,
            windows=_windows(config, layers, style.full_attention_every),
            style=replace(
                style,
                query_key_value_bias=style.query_key_value_bias or bool(config.get("attention_bias")),
                output_bias=style.output_bias or bool(config.get("attention_bias")),
                ffn_bias=style.ffn_bias or bool(config.get("mlp_bias")),
            ),
            experts=_experts(config, layers),
            latent=_latent(config) if model_type == "deepseek_v2" else None,
        )

    @property
    def query_key_size(self) -> int:
        """Elements that one head multiplies for one attention score."""
        return self.latent.nope_head_size + self.latent.rope_head_size if self.latent else self.head_size

    @property
    def value_size(self) -> int:
        """Elements that one head adds up for one attention weight."""
        return self.latent.value_head_size if self.latent else self.head_size

    @property
    def attention_matrices(self) -> int:
        """Elements of one layer's projections into and out of attention."""
        hidden, heads = self.hidden_size, self.query_heads
        output = heads * self.value_size * hidden
        if self.latent is None:
            return hidden * (heads + 2 * self.kv_heads) * self.head_size + output
        query = heads * self.query_key_size
        into = hidden * query if (rank := self.latent.query_rank) is None else rank * (hidden + query)
        compress = hidden * (self.latent.kv_rank + self.latent.rope_head_size)
        return into + compress + self.expansion_matrix + output

    @property
    def expansion_matrix(self) -> int:
        """Elements of the matrix that expands latents into keys and values; 0 without latent attention.

        transformers caches the latents and expands all of them again at every step.
        """
        if self.latent is None:
            return 0
        return self.latent.kv_rank * self.query_heads * (self.latent.nope_head_size + self.latent.value_head_size)

    @property
    def attention_vectors(self) -> int:
        """Elements of one layer's biases, query and key norms and sinks."""
        style, count = self.style, 0
        if self.latent is not None:
            rank = self.latent.query_rank
            count += self.latent.kv_rank + (rank or 0)  # norms of the latents
            if style.query_key_value_bias:
                count += self.latent.kv_rank + self.latent.rope_head_size + (rank or 0)
        elif style.query_key_value_bias:
            count += (self.query_heads + 2 * self.kv_heads) * self.head_size
        count += self.hidden_size if style.output_bias else 0
        count += 2 * self.head_size if style.query_key_norm else 0
        count += self.query_heads if style.attention_sinks else 0
        return count

    def ffn_matrices(self, ffn_size: int) -> int:
        """Elements of one FFN's matrices: gate, up and down, or up and down."""
        return (3 if self.style.gated_ffn else 2) * self.hidden_size * ffn_size

    def _ffn_parameters(self, ffn_size: int, bias: bool) -> int:
        biases = (2 if self.style.gated_ffn else 1) * ffn_size + self.hidden_size
        return self.ffn_matrices(ffn_size) + (biases if bias and ffn_size else 0)

    @property
    def dense_ffn_parameters(self) -> int:
        """Parameters of one dense FFN."""
        return self._ffn_parameters(self.ffn_size, self.style.ffn_bias)

    @property
    def expert_parameters(self) -> int:
        """Parameters of one expert; 0 in a dense model."""
        return self._ffn_parameters(self.experts.ffn_size, self.style.expert_bias) if self.experts else 0

    @property
    def shared_ffn_parameters(self) -> int:
        """Parameters that every token of a sparse layer passes: router and shared expert; 0 in a dense model."""
        if self.experts is None:
            return 0
        router = self.experts.experts * (self.hidden_size + (1 if self.style.expert_bias else 0))
        return router + self._ffn_parameters(self.experts.shared_ffn_size, self.style.ffn_bias)

    @property
    def sparse_layers(self) -> int:
        """Layers whose FFN is a mixture of experts."""
        return sum(self.experts.in_layer) if self.experts else 0

    @property
    def always_read_parameters(self) -> int:
        """Parameters that every step reads, whatever its tokens are: all but experts, embeddings and head."""
        norm = self.hidden_size * (2 if self.style.norm_bias else 1)
        block = self.attention_matrices + self.attention_vectors + self.style.norms_per_block * norm
        dense = (self.layers - self.sparse_layers) * self.dense_ffn_parameters
        return self.layers * block + dense + self.sparse_layers * self.shared_ffn_parameters + norm

    @property
    def head_parameters(self) -> int:
        """Elements of the matrix that gives logits, tied to the embedding or not."""
        return self.vocabulary_size * self.hidden_size

    @property
    def parameters(self) -> int:
        """All parameters, tied ones once."""
        return self._parameters(self.experts.experts if self.experts else 0)

    @property
    def active_parameters(self) -> int:
        """Parameters that one token passes through, the embedding included."""
        return self._parameters(self.experts.experts_per_token if self.experts else 0)

    def _parameters(self, experts: int) -> int:
        tables = (1 if self.tied_embeddings else 2) * self.head_parameters + self.learned_positions * self.hidden_size
        return self.always_read_parameters + tables + self.sparse_layers * experts * self.expert_parameters

    @property
    def kv_elements_per_token(self) -> int:
        """Elements that one layer caches for one token: keys and values, or the latent and its rotary key."""
        if self.latent is None:
            return 2 * self.kv_heads * self.head_size
        return self.latent.kv_rank + self.latent.rope_head_size

    def kv_bytes_per_token(self, dtype_bytes: float) -> float:
        """Bytes that one more token adds to the cache of one sequence while it is inside every window."""
        return self.layers * self.kv_elements_per_token * dtype_bytes

    def cached_tokens(self, tokens: int) -> int:
        """Tokens of a sequence, summed over layers, that the cache keeps: a sliding layer no more than its window."""
        return sum(tokens if window is None else min(tokens, window) for window in self.windows)


def _size(config: Config, *names: str) -> int:
    for name in names:
        if config.get(name) is not None:
            return int(config[name])
    raise ValueError(f"the config of model_type {config.get('model_type')!r} has no {names[0]}")


def _ffn_size(config: Config, hidden_size: int) -> int:
    if config["model_type"] == "gpt2":
        return config.get("n_inner") or 4 * hidden_size
    return _size(config, "intermediate_size")


def _windows(config: Config, layers: int, full_attention_every: int | None) -> tuple[int | None, ...]:
    window = config.get("sliding_window")
    if window is None or config.get("use_sliding_window") is False:
        return (None,) * layers
    kinds = config.get("layer_types")
    if kinds is not None:
        return tuple(window if kind == "sliding_attention" else None for kind in kinds)
    if full_attention_every is None:
        return (window,) * layers
    return tuple(None if (layer + 1) % full_attention_every == 0 else window for layer in range(layers))


def _experts(config: Config, layers: int) -> MixtureOfExperts | None:
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    if not any(config.get(name) for name in names):
        return None
    first = config.get("first_k_dense_replace") or 0
    step = config.get("decoder_sparse_step") or 1
    dense = set(config.get("mlp_only_layers") or ())
    ffn_size = _size(config, "moe_intermediate_size", "intermediate_size")
    return MixtureOfExperts(
        experts=_size(config, *names),
        experts_per_token=_size(config, "num_experts_per_tok"),
        ffn_size=ffn_size,
        shared_ffn_size=ffn_size * (config.get("n_shared_experts") or 0),
        in_layer=tuple(layer >= first and layer not in dense and (layer + 1) % step == 0 for layer in range(layers)),
    )


def _latent(config: Config) -> LatentAttention:
    return LatentAttention(
        kv_rank=_size(config, "kv_lora_rank"),
        query_rank=config.get("q_lora_rank"),
        nope_head_size=_size(config, "qk_nope_head_dim"),
        rope_head_size=_size(config, "qk_rope_head_dim"),
        value_head_size=_size(config, "v_head_dim"),
    )
