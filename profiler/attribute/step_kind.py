"""Prefill or decode: what one step of a model is, by the evidence in the trace.

A decode step asks one query a sequence of its attention, a prefill many at once. Where no shapes are recorded, names
of kernels say it: engines have attention kernels that only ever decode, and a matrix times a vector is one token.
Where nothing says it, it is unknown.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from profiler.attribute.kernel_work import kernels_work
from profiler.report.analysis import Family
from profiler.report.trace_phases import KindFrom, PhaseKind
from profiler.trace.distinct import values
from profiler.trace.families import kernel_family
from profiler.trace.repeated_steps import is_attention, is_softmax
from profiler.trace.timeline import Activity, Timeline

# vLLM's and AMD's paged attention, FlashInfer, TensorRT-LLM, Triton kernels of vLLM and SGLang, FlashMLA.
_DECODES = re.compile(
    r"paged_attention_(v1|v2|ll4mi)|BatchDecode|SingleDecode|masked_multihead_attention|\bmmha|decode_attention"
    r"|_fwd_(grouped_)?kernel_stage[12]|unified_attention_3d|flash_fwd_(splitkv_)?mla|flash_?decod",
    re.IGNORECASE,
)
# FlashInfer's paged prefill is not here: with matrix units it decodes, too.
_PREFILLS = re.compile(r"PrefillWithRagged|context_attention|extend_attention|prefill_attention", re.IGNORECASE)
_BACKWARD = re.compile(r"backward|_bwd|dgrad|wgrad|multi_tensor_apply", re.IGNORECASE)
_MATRIX_TIMES_VECTOR = re.compile(r"gemv|gevm|wvSplitK", re.IGNORECASE)
# Of the time of all matrix products.
_MOST = 0.5
_BATCH_TOKENS_SIZE = 3  # the dimensions of a linear operation's input, where the batch is kept apart

Kind = tuple[PhaseKind, KindFrom | None]
_UNKNOWN: Kind = (PhaseKind.UNKNOWN, None)


def step_kind(step: Timeline) -> Kind:
    """What the model does in a step, by the timeline of one, and what told it."""
    names = _ran(step)
    if any(_BACKWARD.search(name) for name in names):
        return _UNKNOWN  # training, or an optimizer at work: neither
    found = _by_queries(step)
    return found if found is not _UNKNOWN else _by_kernels(step, names)


def asks_many(step: Timeline) -> bool:
    """Whether each attention of the step has several queries of a sequence at once, as a prefill has."""
    queries = _queries(step)
    return bool(len(queries) and queries.min() > 1)


def _by_queries(step: Timeline) -> Kind:
    queries = _queries(step)
    if len(queries) and queries.max() == 1:
        return PhaseKind.DECODE, KindFrom.SHAPES
    if len(queries) and queries.min() > 1 and _is_causal(step):
        return PhaseKind.PREFILL, KindFrom.SHAPES
    return _UNKNOWN


def _queries(step: Timeline) -> NDArray[np.float64]:
    """How many queries of a sequence each attention has at once; empty where the trace does not say.

    Where attention is not fused, the tokens that each layer's linear operations have at once say it.
    """
    queries = kernels_work(step).queries
    queries = queries[np.isfinite(queries)]
    if len(queries) or not any(is_softmax(name) for name in _ran(step)):
        return queries
    operations = step.operations
    linear = np.flatnonzero(operations.name == _number(step, "aten::linear")).tolist()
    inputs = [operations.shapes[row][:1] for row in linear if row < len(operations.shapes)]
    return np.array([shape[1] for (shape,) in filter(None, inputs) if len(shape) == _BATCH_TOKENS_SIZE], np.float64)


def _ran(step: Timeline) -> set[str]:
    return {step.names[number] for number in values(step.device.name).tolist()}


def _number(step: Timeline, name: str) -> int:
    return step.names.index(name) if name in step.names else -1


def _is_causal(step: Timeline) -> bool:
    """Whether the attention hides what comes later: that of images, and of encoders, is no prefill."""
    operations = step.operations
    rows = np.flatnonzero(operations.name == _number(step, "aten::scaled_dot_product_attention")).tolist()
    return any("True" in operations.concrete[row][5:6] for row in rows if row < len(operations.concrete))


def _by_kernels(step: Timeline, names: set[str]) -> Kind:
    decodes = any(_DECODES.search(name) for name in names)
    prefills = any(_PREFILLS.search(name) for name in names)
    if decodes or prefills:
        kinds = {(True, False): PhaseKind.DECODE, (False, True): PhaseKind.PREFILL, (True, True): PhaseKind.MIXED}
        return kinds[decodes, prefills], KindFrom.KERNEL_NAMES
    device = step.device
    lasts = (device.end_ns - device.start_ns) * (device.kind == Activity.KERNEL)
    by_name = np.bincount(device.name, weights=lasts, minlength=len(step.names))
    products = {name: by_name[step.names.index(name)] for name in names if kernel_family(name) is Family.GEMM}
    vectors = sum(time for name, time in products.items() if _MATRIX_TIMES_VECTOR.search(name))
    attends = any(is_attention(name) or is_softmax(name) for name in names)
    if attends and vectors > _MOST * sum(products.values()):
        return PhaseKind.DECODE, KindFrom.KERNEL_NAMES
    return _UNKNOWN
