"""Entries that wait for the device's memory: each kernel streams more than the caches hold, and does little else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch.nn import functional

from benchmarks.truth.zoo.entry import GIB, Case, Entry, Lab, each, one
from benchmarks.truth.zoo.relief import faster
from profiler.attribute.operation_work import TokenShape
from profiler.report.vocabulary import Cause

_TINY_BYTES = 2**22  # on a CPU
_HEAD_SIZE = 128


def rows(lab: Lab, gpu_bytes: int, width: int, dtype: torch.dtype) -> torch.Tensor:
    """A matrix of so many bytes, `width` wide."""
    return lab.random(lab.size(gpu_bytes, _TINY_BYTES) // (width * dtype.itemsize), width, dtype=dtype)


def _row_sums(lab: Lab) -> Case:
    sources = [rows(lab, GIB, 8192, torch.float32) for _ in range(4)]
    return Case(
        launch=each([partial(torch.sum, x, -1) for x in sources]),
        relieved=each([partial(torch.sum, x[: len(x) // 2], -1) for x in sources]),
    )


def _full_sums(lab: Lab) -> Case:
    sources = [rows(lab, GIB, 8192, torch.float32) for _ in range(4)]
    narrow = [x.bfloat16() for x in sources]
    return Case(each([x.sum for x in sources]), each([x.sum for x in narrow]))


def _copies(lab: Lab) -> Case:
    source, target = (rows(lab, GIB, 8192, torch.bfloat16) for _ in range(2))
    half = len(source) // 2
    return Case(
        launch=each([partial(target.copy_, source)] * 4),
        relieved=each([partial(target[:half].copy_, source[:half])] * 4),
    )


def _additions(lab: Lab) -> Case:
    left, right, target = (rows(lab, GIB, 8192, torch.float32) for _ in range(3))
    narrow = [x.bfloat16() for x in (left, right, target)]
    return Case(
        launch=each([partial(torch.add, left, right, out=target)] * 2),
        relieved=each([partial(torch.add, narrow[0], narrow[1], out=narrow[2])] * 2),
    )


def _activations(lab: Lab) -> Case:
    source, target = (rows(lab, GIB, 8192, torch.float32) for _ in range(2))
    narrow, narrow_target = source.bfloat16(), target.bfloat16()
    return Case(
        launch=each([partial(torch.ops.aten.silu.out, source, out=target)] * 3),
        relieved=each([partial(torch.ops.aten.silu.out, narrow, out=narrow_target)] * 3),
    )


def _layer_norms(lab: Lab) -> Case:
    width = 4096
    source = rows(lab, GIB, width, torch.float32)
    weight, bias = (lab.random(width, dtype=torch.float32) for _ in range(2))
    narrow = [x.bfloat16() for x in (source, weight, bias)]
    return Case(
        launch=each([partial(functional.layer_norm, source, (width,), weight, bias)] * 3),
        relieved=each([partial(functional.layer_norm, narrow[0], (width,), narrow[1], narrow[2])] * 3),
    )


def _fills(lab: Lab) -> Case:
    target = rows(lab, 2 * GIB, 8192, torch.float32)
    narrow = target.bfloat16()
    return Case(each([partial(target.fill_, 1.5)] * 3), each([partial(narrow.fill_, 1.5)] * 3))


def _gemvs(lab: Lab) -> Case:
    size = lab.size(16384, 512)
    matrices = [lab.random(size, size) for _ in range(8)]
    narrow = [matrix[:, : size // 2].contiguous() for matrix in matrices]
    vector = lab.random(size)
    return Case(
        launch=each([partial(torch.mv, matrix, vector) for matrix in matrices]),
        relieved=each([partial(torch.mv, matrix, vector[: size // 2]) for matrix in narrow]),
    )


def _linears(lab: Lab, batch: int) -> Case:
    inner, outer = lab.size(8192, 512), lab.size(28672, 1024)
    weights = [lab.random(outer, inner) for _ in range(6)]
    narrow = [weight[:, : inner // 2].contiguous() for weight in weights]
    x = lab.random(batch, inner)
    x_narrow = x[:, : inner // 2].contiguous()
    return Case(
        launch=each([partial(functional.linear, x, weight) for weight in weights]),
        relieved=each([partial(functional.linear, x_narrow, weight) for weight in narrow]),
    )


def _decode_attention(lab: Lab) -> Case:
    """Written out, as `attn_implementation="eager"` runs it.

    Fused attention would be no example: its kernels pad the one query to a tile of 64 or 128 rows, whose arithmetic
    takes longer than the cache does (its time on an H200 is that on an H100).
    """
    heads, context = lab.size(32, 2) * 32, lab.size(8192, 256)
    query = lab.random(heads, 1, _HEAD_SIZE)
    key, value = (lab.random(heads, context, _HEAD_SIZE) for _ in range(2))

    def attend(tokens: int) -> None:
        scores = torch.bmm(query, key[:, :tokens].transpose(1, 2))
        torch.bmm(torch.softmax(scores, -1), value[:, :tokens])

    return Case(partial(attend, context), partial(attend, context // 2))


_ACTIVATIONS = one(Cause.MEMORY_ACTIVATIONS)
_WEIGHTS = one(Cause.MEMORY_WEIGHTS)
_HALF_BYTES = 2.0

ENTRIES: Sequence[Entry] = (
    Entry(
        "stream.row_sums",
        *_ACTIVATIONS,
        "sums over the rows of 4 GiB in float32",
        faster("half as many rows in as many kernels", dram=_HALF_BYTES),
        _row_sums,
        dtype="float32",
    ),
    Entry(
        "stream.full_sums",
        *_ACTIVATIONS,
        "sums over 4 GiB in float32",
        faster("the same numbers in bfloat16: half the bytes", dram=_HALF_BYTES),
        _full_sums,
        dtype="float32",
    ),
    Entry(
        "stream.device_copies",
        *one(Cause.MEMORY_COPY),
        "copies of 1 GiB within the device",
        faster("copies of half of it", dram=_HALF_BYTES),
        _copies,
    ),
    Entry(
        "stream.additions",
        *_ACTIVATIONS,
        "additions of two tensors of 1 GiB in float32",
        faster("the same numbers in bfloat16: half the bytes", dram=_HALF_BYTES),
        _additions,
        dtype="float32",
    ),
    Entry(
        "stream.activation_functions",
        *_ACTIVATIONS,
        "SiLU of 1 GiB of float32 activations",
        faster("the same numbers in bfloat16: half the bytes", dram=_HALF_BYTES),
        _activations,
        dtype="float32",
    ),
    Entry(
        "stream.layer_norms",
        *_ACTIVATIONS,
        "layer norms of 1 GiB of float32 activations",
        faster("the same numbers in bfloat16: half the bytes", dram=_HALF_BYTES),
        _layer_norms,
        dtype="float32",
    ),
    Entry(
        "stream.fills",
        *_ACTIVATIONS,
        "2 GiB written, nothing read",
        faster("the same count of elements in bfloat16: half the bytes", dram=_HALF_BYTES),
        _fills,
        dtype="float32",
    ),
    Entry(
        "weights.gemv",
        *_WEIGHTS,
        "matrix-vector products with 512 MiB matrices",
        faster("matrices half as wide", dram=_HALF_BYTES),
        _gemvs,
    ),
    Entry(
        "weights.linear_batch_1",
        *_WEIGHTS,
        "feed-forward layers of a 70B model for one token",
        faster("layers half as wide", dram=_HALF_BYTES),
        partial(_linears, batch=1),
    ),
    Entry(
        "weights.linear_batch_16",
        *_WEIGHTS,
        "the same layers for a batch of 16",
        faster("layers half as wide", dram=_HALF_BYTES),
        partial(_linears, batch=16),
    ),
    Entry(
        "kv_cache.decode_attention",
        *one(Cause.MEMORY_KV_CACHE),
        "one query of 32 sequences against 8192 cached tokens each",
        faster("half the context", dram=_HALF_BYTES),
        _decode_attention,
        hint=TokenShape(batch_size=32, query_tokens=1, context_tokens=8192, kv_heads=32, head_size=_HEAD_SIZE),
    ),
)
