"""FLOPs and bytes that one iteration of a phase needs, from shapes alone."""

from __future__ import annotations

from dataclasses import dataclass

from profiler.catalogue.architecture import Architecture


@dataclass(frozen=True, slots=True)
class PhaseWork:
    """The work of one iteration for the whole batch. A multiply-add is 2 FLOPs; bytes are compulsory DRAM traffic.

    Not counted: norms, activations, rotary embedding, softmax and bias additions (under 1% of the FLOPs of the
    models here), activations that pass through memory, and copies that an implementation makes on top (a growing
    cache, expanded KV heads).
    """

    linear_flops: float
    attention_flops: float
    head_flops: float
    weight_bytes: float
    kv_read_bytes: float
    kv_write_bytes: float

    @property
    def flops(self) -> float:
        """All FLOPs."""
        return self.linear_flops + self.attention_flops + self.head_flops

    @property
    def kv_bytes(self) -> float:
        """KV cache traffic both ways."""
        return self.kv_read_bytes + self.kv_write_bytes

    @property
    def bytes(self) -> float:
        """All bytes."""
        return self.weight_bytes + self.kv_bytes


def phase_work(
    architecture: Architecture,
    *,
    batch_size: int,
    query_tokens: int,
    context_tokens: int,
    cache_tokens: int,
    weight_dtype_bytes: float,
    kv_dtype_bytes: float,
    logits_tokens: int = 1,
) -> PhaseWork:
    """Work of an iteration in which each of `batch_size` sequences adds `query_tokens` to `context_tokens` cached ones.

    `cache_tokens` are the slots of a sequence that attention reads: a static cache is read to its end by kernels
    that do not know how much of it is filled. Less than the tokens there are means exactly those.
    `logits_tokens` are the positions of each sequence that pass the head (1 with `logits_to_keep=1`).

    With T tokens, D hidden, d head size, P visible pairs of query and key (`visible_pairs`):
    linear 2 T (matrix elements), attention 4 q d P a layer, head 2 T_out D V (Kaplan et al., arXiv 2001.08361,
    table 1, with the causal mask taken into account); an expert's matrices count for the tokens routed to it.
    Weights are read once, the head even if it is tied, of the embedding one row a token, of the experts those that
    uniform routing touches; keys and values are read once for all query heads that share them.

    Raises ValueError for a negative size, an empty batch or an empty query.
    """
    if min(batch_size, query_tokens) < 1 or min(context_tokens, cache_tokens, logits_tokens) < 0:
        raise ValueError("batch_size and query_tokens must be at least 1, the other sizes at least 0")
    tokens = batch_size * query_tokens
    slots = max(cache_tokens, context_tokens + query_tokens)
    pairs = sum(visible_pairs(query_tokens, context_tokens, window) for window in architecture.windows)
    read = sum(_slots_read(query_tokens, slots, window) for window in architecture.windows)
    kv_bytes = batch_size * architecture.kv_elements_per_token * kv_dtype_bytes
    return PhaseWork(
        linear_flops=2.0 * tokens * _matrices_per_token(architecture)
        + 2.0 * batch_size * context_tokens * architecture.layers * architecture.expansion_matrix,
        attention_flops=2.0
        * batch_size
        * pairs
        * architecture.query_heads
        * (architecture.query_key_size + architecture.value_size),
        head_flops=2.0 * batch_size * logits_tokens * architecture.head_parameters,
        weight_bytes=_parameters_read(architecture, tokens, query_tokens, logits_tokens) * weight_dtype_bytes,
        kv_read_bytes=read * kv_bytes,
        kv_write_bytes=architecture.layers * query_tokens * kv_bytes,
    )


def visible_pairs(query_tokens: int, context_tokens: int, window: int | None = None) -> int:
    """Pairs of query and key that a causal mask lets through in one sequence and layer.

    n queries after p cached tokens: n p + n (n + 1) / 2. A window of w hides all but the last w keys of a query,
    itself among them.
    """
    full = query_tokens * context_tokens + query_tokens * (query_tokens + 1) // 2
    if window is None:
        return full
    # Query i (from 1) sees context + i keys without the window; what is beyond w is hidden.
    first_hidden = context_tokens + 1 - window
    last_hidden = context_tokens + query_tokens - window
    if last_hidden <= 0:
        return full
    first_hidden = max(first_hidden, 1)
    return full - (first_hidden + last_hidden) * (last_hidden - first_hidden + 1) // 2


def _slots_read(query_tokens: int, slots: int, window: int | None) -> int:
    return slots if window is None else min(slots, window + query_tokens - 1)


def _matrices_per_token(architecture: Architecture) -> int:
    """Matrix elements of all blocks that one token is multiplied with."""
    per_block = architecture.layers * architecture.attention_matrices
    sparse = architecture.sparse_layers
    dense = (architecture.layers - sparse) * architecture.ffn_matrices(architecture.ffn_size)
    if architecture.experts is None:
        return per_block + dense
    experts = architecture.experts
    routed = experts.experts_per_token * experts.ffn_size + experts.shared_ffn_size
    router = experts.experts * architecture.hidden_size
    return per_block + dense + sparse * (architecture.ffn_matrices(routed) + router)


def _parameters_read(architecture: Architecture, tokens: int, query_tokens: int, logits_tokens: int) -> float:
    embedding_rows = min(tokens, architecture.vocabulary_size)
    position_rows = min(query_tokens, architecture.learned_positions)
    touched = architecture.experts.touched_experts(tokens) if architecture.experts else 0.0
    return (
        architecture.always_read_parameters
        + architecture.sparse_layers * touched * architecture.expert_parameters
        + (embedding_rows + position_rows) * architecture.hidden_size
        + (architecture.head_parameters if logits_tokens else 0)
    )
