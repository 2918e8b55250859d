"""Which family of work a kernel belongs to: by its own name, else by the operation that launched it.

The names are those of torch, cuBLAS, cuDNN, CUTLASS, Triton and Inductor, of hipBLASLt, Composable Kernel and AITER on
AMD, and of the engines' own kernels. A kernel's name comes first: an operation such as a convolution also launches
kernels that only lay out its inputs.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from profiler.report.analysis import Family, FamilyTime
from profiler.trace.accounting import HOST_COPIES
from profiler.trace.distinct import numbered
from profiler.trace.timeline import Activity, Ints, Timeline

# In this order: a fused kernel has the family of its heaviest work, and attention contains matrix products.
# Alternatives begin with a letter: where one begins with a boundary or a group, `re` tries all at each place of a name.
_KERNELS = (
    (Family.ATTENTION, r"flash_(fwd|bwd|fprop|bprop|attn)|attention|attn|fmha|sdpa|mha_|flashinfer|PagedKV|mla_"),
    (
        Family.NORMALISATION,
        r"layer_?norm|rms_?norm|batch_?norm|group_?norm|instance_?norm|qk_?norm|l2_?norm|bn_(fw|bw)_|norm2d|_norm_"
        r"|GammaBetaBackward",
    ),
    (
        Family.GEMM,
        r"gemm|gemv|gevm|Cijk_|nvjet|matmul|xmma|cudnn_convolution|convolv|conv(olution)?_?(\dd|fwd|bwd|forward|backward)"
        r"|scudnn|dgrad|wgrad|fprop|splitK|winograd|tensorop|triton_tem_|fused_moe|marlin|machete|wvSplit|_mm_kernel|epilogue::impl",
    ),
    (
        Family.COPY_LIKE,
        r"copy|CatArray|concat|index_?(select|put|elementwise|fill|add|func)|indexing|gather|scatter|embedding"
        r"|Memcpy|Memset|FillFunctor|transpose|permute|nchwToNhwc|nhwcToNchw|kv_?cache|reshape_and_cache|memset|upsample",
    ),
    (
        Family.REDUCTION,
        r"reduce|softmax|arg_?(max|min)|top_?k|sort|scan|cumsum|histogram|logsumexp|cross_entropy|nll_loss|triton_(red|per)_"
        r"|sampling|multinomial|pool",
    ),
    (
        Family.ELEMENTWISE,
        r"elementwise|multi_tensor_apply|pointwise|triton_poi_|act_and_mul|silu|gelu|swiglu|rotary|rope|dropout|distribution"
        r"|quant|cast|adam|sgd|vectorized",
    ),
)
_OPERATIONS = (
    (Family.GEMM, r"aten::(mm|bmm|addmm|baddbmm|linear|matmul|einsum|addmv|mv|dot|_scaled_mm|_grouped_mm)\b"),
    *_KERNELS,
    (
        Family.ELEMENTWISE,
        r"aten::(add|sub|mul|div|pow|exp|neg|where|clamp|sigmoid|tanh|relu|lerp|sqrt|rsqrt|eq|ne|lt|gt)",
    ),
)
_Rules = tuple[tuple[Family, str], ...]


@cache
def kernel_family(name: str, operation: str | None = None) -> Family:
    """The family of a kernel that computes, by its name and the operation that launched it."""
    return _family(_KERNELS, name) or (_family(_OPERATIONS, operation) if operation else None) or Family.OTHER


@cache
def _family(rules: _Rules, text: str) -> Family | None:
    text = text.lower()
    return next((family for family, pattern in _compiled(rules) if pattern.search(text)), None)


@cache
def _compiled(rules: _Rules) -> tuple[tuple[Family, re.Pattern[str]], ...]:
    """Only the rules that are asked for: compiling all of them takes longer than reading many traces.

    In lower case: a search that has to ignore the case takes three times as long.
    """
    return tuple((family, re.compile(pattern.lower())) for family, pattern in rules)


def family_times(timeline: Timeline, own_ns: Ints) -> list[FamilyTime]:
    """The time of each family, the longest first. `own_ns` is the exclusive time of each device row.

    Copies that leave the device have no family: the families' exclusive times and those of such copies sum to the busy
    time.
    """
    device = timeline.device
    lasts = device.end_ns - device.start_ns
    family = _families(timeline)
    inside = ~np.isin(device.kind, HOST_COPIES)
    found = []
    for number, name in enumerate(_FAMILIES):
        mine = inside & (family == number)
        if mine.any():
            found.append(
                FamilyTime(
                    family=name, ns=int(own_ns[mine].sum()), sum_ns=int(lasts[mine].sum()), kernels=int(mine.sum())
                )
            )
    return sorted(found, key=lambda time: -time.ns)


_FAMILIES = list(Family)


def _families(timeline: Timeline) -> Ints:
    """Of each device row the number of its family, shape (n,); each distinct kernel is looked at once."""
    device, operations = timeline.device, timeline.operations
    kinds, kind = numbered(device.kind, device.name, np.append(operations.name, -1)[device.operation])
    found = []
    for activity, name, operation in kinds.tolist():
        if activity == Activity.KERNEL:
            family = kernel_family(timeline.names[name], timeline.names[operation] if operation >= 0 else None)
        else:
            family = Family.COLLECTIVE if activity == Activity.COLLECTIVE else Family.COPY_LIKE
        found.append(_FAMILIES.index(family))
    return np.array(found, np.int64)[kind]
