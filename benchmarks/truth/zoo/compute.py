"""Entries that wait for the matrix units, or for the issue of instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.truth.zoo.entry import MIB, Case, Entry, Lab, Work, each, one
from benchmarks.truth.zoo.relief import GONE, faster
from profiler.report.vocabulary import Cause

# On a CPU only the plumbing is tested.
_TINY = 256


def product(lab: Lab, dtype: torch.dtype, size: int, inner: int | None = None) -> tuple[Work, Work]:
    """A matrix product, square by default, and the same with half the inner dimension: half the FLOPs, equal output."""
    size, inner = lab.size(size, _TINY), lab.size(inner or size, _TINY)
    left, right = lab.random(size, inner, dtype=dtype), lab.random(inner, size, dtype=dtype)
    half = inner // 2
    target = lab.random(size, size, dtype=dtype)
    return (
        partial(torch.mm, left, right, out=target),
        partial(torch.mm, left[:, :half].contiguous(), right[:half], out=target),
    )


def _products(lab: Lab, dtype: torch.dtype, size: int, count: int) -> Case:
    whole, half = product(lab, dtype, size)
    return Case(each([whole] * count), each([half] * count))


def _tf32_products(lab: Lab) -> Case:
    """So long an inner dimension that what each tile of the output costs besides is small."""
    whole, half = product(lab, torch.float32, 8192, 16384)

    def in_tf32(work: Work) -> Work:
        def run() -> None:
            matmul = torch.backends.cuda.matmul
            before = matmul.fp32_precision
            matmul.fp32_precision = "tf32"
            try:
                work()
            finally:
                matmul.fp32_precision = before

        return run

    return Case(in_tf32(whole), in_tf32(half))


def _flash_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> None:
    """By one library, whatever others there are: the same kernel before and after."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        scaled_dot_product_attention(query, key, value)


def _prefill_attention(lab: Lab) -> Case:
    tokens = lab.size(8192, 128)
    query, key, value = (lab.random(1, 32, tokens, 128) for _ in range(3))
    half = tokens // 2
    return Case(
        launch=partial(_flash_attention, query, key, value),
        relieved=partial(_flash_attention, query, key[:, :, :half], value[:, :, :half]),
    )


_REPEATS = 4


def _keys(lab: Lab) -> torch.Tensor:
    """The keys of 64 sequences: [batch, KV heads, tokens, head size]."""
    return lab.random(lab.size(64, 2), 8, lab.size(2048, 64), 128)


def _expand(keys: torch.Tensor) -> None:
    """The copy by which transformers gives each query head its own keys (`repeat_kv`)."""
    b, h, t, d = keys.shape
    keys[:, :, None].expand(b, h, _REPEATS, t, d).reshape(b, h * _REPEATS, t, d)


def _expanded_heads(lab: Lab) -> Case:
    """Relieved by a copy of as many bytes in one piece, which no index has to be computed for."""
    keys = _keys(lab)
    source = lab.random(keys.numel() * (1 + _REPEATS) // 2)  # read and written as often as the keys and their copies
    target = torch.empty_like(source)
    return Case(each([partial(_expand, keys)] * 2), each([partial(target.copy_, source)] * 2))


def _expanded_bytes(lab: Lab) -> Case:
    """The same of an 8-bit cache. Elements of one and of two bytes are copied by the same kernel, four a thread."""
    keys = _keys(lab)
    return Case(each([partial(_expand, keys.view(torch.int8))] * 2), each([partial(_expand, keys)] * 2))


def _elementwise(
    lab: Lab, operation: Callable[..., torch.Tensor], dtype: torch.dtype, elements: int, count: int
) -> Case:
    elements = lab.size(elements, 2**12)
    x = lab.random(elements, dtype=torch.float32).abs_().clamp_(0.05, 0.95).to(dtype)
    target = torch.empty_like(x)
    return Case(
        launch=each([partial(operation, x, out=target)] * count),
        relieved=each([partial(torch.neg, x, out=target)] * count),
    )


_TENSOR = one(Cause.COMPUTE_TENSOR)
_ISSUE = one(Cause.COMPUTE_ISSUE)
_HALF_FLOPS = faster("half the inner dimension: half the FLOPs", tensor=2.0)
_CHEAP = faster("a sign change instead: the same bytes, next to no instructions", issue=GONE)

ENTRIES: Sequence[Entry] = (
    Entry(
        "gemm.bfloat16",
        *_TENSOR,
        "matrix products of 8192 x 8192 in bfloat16",
        _HALF_FLOPS,
        partial(_products, dtype=torch.bfloat16, size=8192, count=2),
    ),
    Entry(
        "gemm.float16",
        *_TENSOR,
        "matrix products of 8192 x 8192 in float16",
        _HALF_FLOPS,
        partial(_products, dtype=torch.float16, size=8192, count=2),
        dtype="float16",
    ),
    Entry(
        "gemm.tf32",
        *_TENSOR,
        "a matrix product of 8192 x 16384 by 16384 x 8192 in TF32",
        _HALF_FLOPS,
        _tf32_products,
        dtype="tf32",
        needs_gpu="TF32 is a mode of NVIDIA's tensor cores",
    ),
    Entry(
        "gemm.float32",
        *_TENSOR,
        "a matrix product of 4096 x 4096 in float32",
        _HALF_FLOPS,
        partial(_products, dtype=torch.float32, size=4096, count=1),
        dtype="float32",
    ),
    Entry(
        "attention.prefill",
        *_TENSOR,
        "flash attention over 8192 tokens",
        faster("half the keys: half the FLOPs", tensor=2.0),
        _prefill_attention,
    ),
    Entry(
        "issue.expanded_heads",
        *_ISSUE,
        "copies that expand the KV heads of a batch of 64",
        faster("copies of as many bytes in one piece: no indices", issue=GONE),
        _expanded_heads,
    ),
    Entry(
        "issue.expanded_heads_8_bit",
        *_ISSUE,
        "copies that expand the KV heads of an 8-bit cache, a byte at a time",
        faster("the same bytes two at a time: half the instructions", issue=2.0),
        _expanded_bytes,
        dtype="int8",
    ),
    Entry(
        "issue.digamma_bfloat16",
        *_ISSUE,
        "digamma of 256 Mi bfloat16 numbers: ten divisions each",
        _CHEAP,
        partial(_elementwise, operation=torch.digamma, dtype=torch.bfloat16, elements=256 * MIB, count=1),
    ),
    Entry(
        "issue.erfcx_float32",
        *_ISSUE,
        "erfcx of 64 Mi float32 numbers: threads of a warp take different branches",
        _CHEAP,
        partial(_elementwise, operation=torch.special.erfcx, dtype=torch.float32, elements=64 * MIB, count=2),
        dtype="float32",
    ),
    Entry(
        "issue.digamma_float64",
        *_ISSUE,
        "digamma of 64 Mi float64 numbers",
        _CHEAP,
        partial(_elementwise, operation=torch.digamma, dtype=torch.float64, elements=64 * MIB, count=1),
        dtype="float64",
    ),
)
