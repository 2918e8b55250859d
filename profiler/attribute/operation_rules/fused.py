"""Kernels that TorchInductor generates with Triton: named after what they fuse, traced with their pointers.

All tensors are taken as moved once, the last one as written: a trace does not tell inputs from outputs. Tensors that
an indexing operation in the kernel touches in part, by their shapes the KV cache and embedding tables, count what the
new tokens touch, which needs the size of the phase. One FLOP an element of the largest tensor.
"""

from __future__ import annotations

import math
import re

from profiler.attribute.operation_rules.arguments import Arguments, Tensor, UnknownWorkError
from profiler.attribute.operation_rules.work import Category, OperationWork

PREFIX = "triton_"
_TEMPLATE = "triton_tem_"  # matrix products and attention: their FLOPs are not in the shapes alone
_REDUCTIONS = ("triton_red_", "triton_per_")
_INDEXING = re.compile(r"_(embedding|index|gather|scatter|select_scatter|slice_scatter)")


def triton(arguments: Arguments) -> OperationWork:
    """The work of one generated kernel."""
    tensors = arguments.tensors()
    if not tensors or arguments.name.startswith(_TEMPLATE):
        raise UnknownWorkError
    indexes = _INDEXING.search(arguments.name) is not None
    moved = [_touched_bytes(arguments, tensor) if indexes else tensor.stored_bytes for tensor in tensors]
    is_cache = [arguments.hint.is_kv_cache(tensor.shape) for tensor in tensors]
    elements = max(round(size / tensor.type.bytes) for size, tensor in zip(moved, tensors, strict=True))
    return OperationWork(
        category=Category.REDUCTION if arguments.name.startswith(_REDUCTIONS) else Category.ELEMENTWISE,
        data_type=max(tensors, key=lambda t: t.elements).type.name,
        elements=elements,
        flops=float(elements),
        read_bytes=sum(moved[:-1]),
        write_bytes=moved[-1],
        kv_cache_bytes=sum(size for size, kept in zip(moved, is_cache, strict=True) if kept),
    )


def _touched_bytes(arguments: Arguments, tensor: Tensor) -> float:
    hint = arguments.hint
    if hint.tokens is None or hint.query_tokens is None:
        raise UnknownWorkError
    if hint.is_kv_cache(tensor.shape):
        length = tensor.shape[-2] if tensor.shape[-1] == hint.head_size else tensor.shape[-1]
        return tensor.stored_bytes * hint.query_tokens / length
    if len(tensor.shape) == 2 and tensor.shape[0] > hint.tokens:  # a table of which each token takes a row
        return float(hint.tokens * math.prod(tensor.shape[1:]) * tensor.type.bytes)
    return tensor.stored_bytes
