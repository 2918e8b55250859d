"""Prefill or decode: what one step of a model is, by the evidence in the trace.

A decode step asks one query a sequence of its attention, a prefill many at once. Where no shapes are recorded, names
of kernels say it: engines have attention kernels that only ever decode, and a matrix times a vector is one token.
Where nothing says it, it is unknown.
"""

from __future__ import annotations

import re

import numpy as np

from profiler.attribute.kernel_work import kernels_work
from profiler.report.analysis import Family
from profiler.report.trace_phases import KindFrom, PhaseKind
from profiler.trace.families import kernel_family
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

Kind = tuple[PhaseKind, KindFrom | None]
_UNKNOWN: Kind = (PhaseKind.UNKNOWN, None)


def step_kind(step: Timeline) -> Kind:
    """What the model does in a step, by the timeline of one, and what told it."""
    names = {step.names[number] for number in np.unique(step.device.name).tolist()}
    if any(_BACKWARD.search(name) for name in names):
        return _UNKNOWN  # training, or an optimizer at work: neither
    found = _by_queries(step)
    return found if found is not _UNKNOWN else _by_kernels(step, names)


def _by_queries(step: Timeline) -> Kind:
    """By how many queries of a sequence each attention operation has at once."""
    queries = kernels_work(step).queries
    queries = queries[np.isfinite(queries)]
    if not len(queries):
        return _UNKNOWN
    if queries.max() == 1:
        return PhaseKind.DECODE, KindFrom.SHAPES
    if queries.min() > 1 and _is_causal(step):
        return PhaseKind.PREFILL, KindFrom.SHAPES
    return _UNKNOWN


def _is_causal(step: Timeline) -> bool:
    """Whether the attention hides what comes later: that of images, and of encoders, is no prefill."""
    operations = step.operations
    name = "aten::scaled_dot_product_attention"
    number = step.names.index(name) if name in step.names else -1
    rows = np.flatnonzero(operations.name == number).tolist()
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
    attends = any(kernel_family(name) is Family.ATTENTION or "softmax" in name for name in names)
    if attends and vectors > _MOST * sum(products.values()):
        return PhaseKind.DECODE, KindFrom.KERNEL_NAMES
    return _UNKNOWN
