"""What an operation needs: its arithmetic, its bytes, and what those bytes are."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from profiler.report.vocabulary import Cause


class Category(StrEnum):
    """The kinds of operation that differ in what limits them."""

    GEMM = "gemm"
    ATTENTION = "attention"
    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    COPY = "copy"
    GATHER = "gather"
    OTHER = "other"

    @property
    def uses_matrix_units(self) -> bool:
        """Whether its FLOPs can run on matrix units."""
        return self in (Category.GEMM, Category.ATTENTION)


class Role(StrEnum):
    """What a tensor is to the model."""

    WEIGHTS = "weights"
    KV_CACHE = "kv_cache"
    ACTIVATIONS = "activations"


class OperationWork(Struct, frozen=True):
    """FLOPs and compulsory bytes of one operation: each input read once, each output written once.

    An input expanded with stride 0 counts what is stored. FLOPs count a multiply-add as 2. `elements` is the number
    of elements of the larger of input and output; `data_type` is torch's name for the type computed in.
    `weights_bytes` and `kv_cache_bytes` are the parts of the bytes that are parameters, and keys and values.
    """

    category: Category
    data_type: str
    elements: int
    flops: float
    read_bytes: float
    write_bytes: float
    weights_bytes: float = 0.0
    kv_cache_bytes: float = 0.0
    queries: int | None = None  # of each head, where it is attention

    @property
    def bytes(self) -> float:
        """Read and written."""
        return self.read_bytes + self.write_bytes

    @property
    def activations_bytes(self) -> float:
        """What is neither weights nor KV cache."""
        return self.bytes - self.weights_bytes - self.kv_cache_bytes

    @property
    def cause(self) -> Cause:
        """What most of the bytes are, as a cause of memory time."""
        sizes = {
            Cause.MEMORY_ACTIVATIONS: self.activations_bytes,
            Cause.MEMORY_KV_CACHE: self.kv_cache_bytes,
            Cause.MEMORY_WEIGHTS: self.weights_bytes,
        }
        return max(sizes, key=lambda cause: sizes[cause])


class TokenShape(Struct, frozen=True):
    """What the caller knows of the phase; every field may be None. It tells keys and values from other tensors.

    `element_bytes` is the size of the model's element type, for lists of tensors, whose type a trace does not give.
    """

    batch_size: int | None = None
    query_tokens: int | None = None  # new tokens a sequence
    context_tokens: int | None = None  # tokens a sequence that attention reads
    kv_heads: int | None = None
    head_size: int | None = None
    element_bytes: int | None = None

    @property
    def tokens(self) -> int | None:
        """New tokens of the whole batch."""
        if self.batch_size is None or self.query_tokens is None:
            return None
        return self.batch_size * self.query_tokens

    def is_kv_cache(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor has the shape of keys or values over the context, longer than the new tokens.

        Shapes: [batch, heads, tokens, head size], the last two perhaps swapped, or with the heads split in two as
        [batch, KV heads, repeats, tokens, head size].
        """
        if self.head_size is None or self.query_tokens is None or len(shape) not in (4, 5):
            return False
        if self.kv_heads is not None and shape[1] % self.kv_heads:
            return False
        tokens, size = shape[-2:]
        if size != self.head_size:
            tokens, size = size, tokens
        return size == self.head_size and tokens > self.query_tokens
