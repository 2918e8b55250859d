"""Fused attention: 2 (d_k + d_v) FLOPs a head and visible pair of a query and a key; each tensor moved once."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from msgspec import Struct

from profiler.attribute.operation_rules.arguments import Arguments, Tensor, UnknownWorkError
from profiler.attribute.operation_rules.work import Category, OperationWork

_LOGSUMEXP_BYTES = 4  # float32 whatever the inputs are


class Mask(Enum):
    """Which keys a query sees. With fewer queries than keys it matters which ends are aligned."""

    FULL = 0
    CAUSAL_FROM_TOP_LEFT = 1  # query i sees keys 0..i
    CAUSAL_FROM_BOTTOM_RIGHT = 2  # the last query sees all keys


def visible_pairs(queries: int, keys: int, mask: Mask) -> int:
    """Pairs of a query and a key that it sees."""
    if mask is Mask.FULL:
        return queries * keys
    if mask is Mask.CAUSAL_FROM_TOP_LEFT:
        seen = min(queries, keys)
        return seen * (seen + 1) // 2 + (queries - seen) * keys
    if queries > keys:  # the first queries see nothing
        queries = keys
    return queries * keys - queries * (queries - 1) // 2


class _Form(Struct, frozen=True):
    """How one attention operation takes its inputs: the positions of its arguments, -1 where it has none.

    An additive or boolean mask hides pairs that the trace does not show, and the kernel computes them all the same:
    they count.
    """

    heads_first: bool  # [batch, heads, tokens, size], else [batch, tokens, heads, size]
    mask: int
    causal: int
    logsumexp: int  # position of its flag
    always_logsumexp: bool = False
    bottom_right: bool = False
    numbered_mask: bool = False  # 0 none, 1 top left, 2 bottom right, instead of a flag
    sequence_offsets: tuple[int, ...] = ()

    def __call__(self, arguments: Arguments) -> OperationWork:
        """The work of one call."""
        query, key, value = (arguments.tensor(position) for position in range(3))
        if len(query.shape) != 4 or len(key.shape) != 4 or len(value.shape) != 4:
            raise UnknownWorkError
        if any(arguments.optional(position) for position in self.sequence_offsets):
            raise UnknownWorkError  # packed sequences: their lengths are values, and values are not traced
        batch, heads, queries, size = self._sizes(query)
        _, _, keys, _ = self._sizes(key)
        value_size = value.shape[-1]
        mask = arguments.optional(self.mask)
        output_elements = batch * heads * queries * value_size
        written = float(output_elements * query.type.bytes)
        if self.always_logsumexp or arguments.flag(self.logsumexp):
            written += batch * heads * queries * _LOGSUMEXP_BYTES
        kept = key.stored_bytes + value.stored_bytes
        return OperationWork(
            category=Category.ATTENTION,
            data_type=query.type.name,
            elements=max(query.elements, key.elements),
            flops=2.0 * batch * heads * (size + value_size) * visible_pairs(queries, keys, self._mask(arguments)),
            read_bytes=query.stored_bytes + kept + (mask.stored_bytes if mask else 0.0),
            write_bytes=written,
            kv_cache_bytes=kept,
            queries=queries,
        )

    def _sizes(self, tensor: Tensor) -> tuple[int, int, int, int]:
        batch, second, third, size = tensor.shape
        return (batch, second, third, size) if self.heads_first else (batch, third, second, size)

    def _mask(self, arguments: Arguments) -> Mask:
        if self.numbered_mask:
            number = arguments.integer(self.causal, 0)
            return Mask(number) if number in (0, 1, 2) else Mask.FULL
        if not arguments.flag(self.causal):
            return Mask.FULL
        return Mask.CAUSAL_FROM_BOTTOM_RIGHT if self.bottom_right else Mask.CAUSAL_FROM_TOP_LEFT


# Positions are those of the schemas in torch 2.11 to 2.13.
RULES: dict[str, Callable[[Arguments], OperationWork]] = {
    "aten::scaled_dot_product_attention": _Form(heads_first=True, mask=3, causal=5, logsumexp=-1),
    "aten::_scaled_dot_product_flash_attention": _Form(
        heads_first=True, mask=-1, causal=4, logsumexp=-1, always_logsumexp=True
    ),
    "aten::_scaled_dot_product_flash_attention_for_cpu": _Form(
        heads_first=True, mask=5, causal=4, logsumexp=-1, always_logsumexp=True
    ),
    "aten::_scaled_dot_product_efficient_attention": _Form(heads_first=True, mask=3, causal=6, logsumexp=4),
    "aten::_scaled_dot_product_cudnn_attention": _Form(heads_first=True, mask=3, causal=6, logsumexp=4),
    "aten::_scaled_dot_product_fused_attention_overrideable": _Form(
        heads_first=True, mask=3, causal=5, logsumexp=-1, always_logsumexp=True
    ),
    "aten::_cudnn_attention_forward": _Form(heads_first=True, mask=3, causal=10, logsumexp=8, sequence_offsets=(4, 5)),
    "aten::_flash_attention_forward": _Form(
        heads_first=False,
        mask=-1,
        causal=8,
        logsumexp=-1,
        always_logsumexp=True,
        bottom_right=True,
        sequence_offsets=(3, 4),
    ),
    "aten::_efficient_attention_forward": _Form(
        heads_first=False, mask=3, causal=9, logsumexp=10, numbered_mask=True, sequence_offsets=(4, 5)
    ),
}
