"""Memory that a model needs, known before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profiler.catalogue.architecture import Architecture

# The cuBLAS workspace that PyTorch allocates on Hopper is 32 MiB (CUBLAS_WORKSPACE_CONFIG in its CUDA notes), and
# CUDA loads the code of kernels when they are first launched; the caching allocator rounds blocks up to 2 MiB.
WORKSPACE_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes on the device at the peak of a request."""

    weight_bytes: float
    kv_bytes: float
    activation_bytes: float
    workspace_bytes: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.weight_bytes + self.kv_bytes + self.activation_bytes + self.workspace_bytes


def footprint(
    architecture: Architecture,
    *,
    dtype_bytes: float,
    batch_size: int,
    prompt_tokens: int,
    new_tokens: int,
    eager_attention: bool = False,
    workspace_bytes: float = WORKSPACE_BYTES,
) -> Footprint:
    """Memory of a request: weights, the cache of prompt and new tokens, and the prompt's activations.

    Weights and cache are exact. Activations are an estimate from above of the largest live set in the prefill (see
    `activation_bytes`), which has more tokens in flight than any decode step. `eager_attention` means attention
    that materialises its scores.
    """
    return Footprint(
        weight_bytes=architecture.parameters * dtype_bytes,
        kv_bytes=kv_cache_bytes(
            architecture, dtype_bytes=dtype_bytes, batch_size=batch_size, tokens=prompt_tokens + new_tokens
        ),
        activation_bytes=activation_bytes(
            architecture,
            dtype_bytes=dtype_bytes,
            batch_size=batch_size,
            query_tokens=prompt_tokens,
            eager_attention=eager_attention,
        ),
        workspace_bytes=workspace_bytes,
    )


def kv_cache_bytes(architecture: Architecture, *, dtype_bytes: float, batch_size: int, tokens: int) -> float:
    """Bytes of a cache for `tokens` tokens a sequence; a sliding layer keeps no more than its window."""
    return batch_size * architecture.cached_tokens(tokens) * architecture.kv_elements_per_token * dtype_bytes


def activation_bytes(
    architecture: Architecture, *, dtype_bytes: float, batch_size: int, query_tokens: int, eager_attention: bool
) -> float:
    """Largest set of activations alive at once in a forward pass without gradients, estimated from above.

    Blocks reuse each other's memory, so one block counts, in its widest stage, beside what lives through it: the
    embedded input, the block's input, the residual, the normed hidden state and the rotary tables, 4 D + 2 d a
    token. The stages, with D hidden, q and kv heads of size d and I the FFN's width:

    - norm: the hidden state and its square in float32, 8 D bytes;
    - attention: queries and keys before and after rotary embedding, values, output; keys and values once more,
      expanded to all query heads;
    - scores, if attention is eager, one a head and pair of tokens: product, scaled copy, softmax in float32 and its
      copy in the model's type;
    - FFN: gate and up, the activated gate and the product, 4 I; ungated with a GELU written out in single
      operations, 5 I; in a mixture of experts those of each routed copy of a token, and its input and output;
    - head: logits of each sequence's last token, in the model's type and in float32.
    """
    tokens = batch_size * query_tokens
    hidden = architecture.hidden_size
    queries = architecture.query_heads * architecture.query_key_size
    values = architecture.query_heads * architecture.value_size
    norm = 8.0 * hidden
    attention = dtype_bytes * (3 * queries + 2 * values + 2 * architecture.kv_elements_per_token)
    ffn = dtype_bytes * _ffn_elements(architecture)
    if eager_attention:
        scores = architecture.query_heads * query_tokens
        attention += (3 * dtype_bytes + 4) * scores
        ffn += dtype_bytes * scores  # a block returns its attention weights, so they outlive its FFN
    logits = batch_size * architecture.vocabulary_size * (dtype_bytes + 4)
    kept = dtype_bytes * (4 * hidden + 2 * architecture.query_key_size)
    return tokens * (kept + max(norm, attention, ffn)) + logits


def _ffn_elements(architecture: Architecture) -> int:
    stages = 4 if architecture.style.gated_ffn else 5
    dense = stages * architecture.ffn_size if architecture.sparse_layers < architecture.layers else 0
    if architecture.experts is None:
        return dense
    experts = architecture.experts
    routed = experts.experts_per_token * (stages * experts.ffn_size + 2 * architecture.hidden_size)
    return max(dense, routed + stages * experts.shared_ffn_size)


def largest(fits: Callable[[int], bool], most: int) -> int:
    """Largest number from 1 to `most` that fits, by bisection; 0 if none does. What is smaller must fit, too."""
    low, high = 0, most  # low fits (or is 0), what is above high does not
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
