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
from profiler.trace.timeline import Activity, Ints, Timeline

# In this order: a fused kernel has the family of its heaviest work, and attention contains matrix products.
_KERNELS = (
    (Family.ATTENTION, r"flash_(fwd|bwd|fprop|bprop|attn)|attention|attn|fmha|sdpa|\bmha_|flashinfer|PagedKV|mla_"),
    (
        Family.NORMALISATION,
        r"(layer|rms|batch|group|instance|qk|l2)_?norm|\bbn_(fw|bw)_|norm2d|_norm_|GammaBetaBackward",
    ),
    (
        Family.GEMM,
        r"gemm|gemv|gevm|Cijk_|nvjet|matmul|xmma|cudnn_convolution|convolv|conv(olution)?_?(\dd|fwd|bwd|forward|backward)"
        r"|scudnn|dgrad|wgrad|fprop|splitK|winograd|tensorop|triton_tem_|fused_moe|marlin|machete|wvSplit|_mm_kernel|\bepilogue::impl",
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
_Rules = tuple[tuple[Family, re.Pattern[str]], ...]
_KERNEL_RULES, _OPERATION_RULES = (
    tuple((family, re.compile(pattern, re.IGNORECASE)) for family, pattern in rules)
    for rules in (_KERNELS, _OPERATIONS)
)


@cache
def kernel_family(name: str, operation: str | None = None) -> Family:
    """The family of a kernel that computes, by its name and the operation that launched it."""
    return _family(_KERNEL_RULES, name) or _family(_OPERATION_RULES, operation or "") or Family.OTHER


@cache
def _family(rules: _Rules, text: str) -> Family | None:
    return next((family for family, pattern in rules if pattern.search(text)), None)


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
    """The number of each row's family. Kernels of one name, launched in operations of one name, are looked at once."""
    device, operations, names = timeline.device, timeline.operations, timeline.names
    launched_in = np.append(operations.name, -1)[device.operation]
    pairs, row = np.unique(device.name * (len(names) + 1) + launched_in + 1, return_inverse=True)
    found = np.array(
        [
            _FAMILIES.index(kernel_family(names[pair // (len(names) + 1)], names[at - 1] if at else None))
            for pair in pairs.tolist()
            for at in (pair % (len(names) + 1),)
        ],
        np.int64,
    )[row.reshape(-1)]
    found[device.kind != Activity.KERNEL] = _FAMILIES.index(Family.COPY_LIKE)
    found[device.kind == Activity.COLLECTIVE] = _FAMILIES.index(Family.COLLECTIVE)
    return found
