"""A kernel's name as a person would say it: `elementwise mul bf16` for 400 characters of C++ template.

Names that no rule knows keep their function's own name without namespaces and template arguments, so nothing is
ever renamed to something it is not.
"""

from __future__ import annotations

import re

_DTYPES = (
    ("bf16", r"c10::BFloat16|__nv_bfloat16|cutlass::bfloat16_t|bfloat16|_bf16"),
    ("fp16", r"c10::Half|__half|cutlass::half_t|_f16"),
    ("fp8", r"Float8_e|__nv_fp8|float_e[45]m[23]"),
    ("fp32", r"\bfloat\b"),
    ("fp64", r"\bdouble\b"),
    # Sizes and indices are integers in every kernel: only the element type of its function counts.
    ("int64", r"(?:const::\{lambda\(|Functor\w*<)long\b"),
    ("int32", r"(?:const::\{lambda\(|Functor\w*<)int\b"),
    ("bool", r"(?:const::\{lambda\(|Functor\w*<)bool\b"),
)
# nvjet_<architecture>_<types>_<tile m>x<tile n>_...
_NVJET = re.compile(r"^nvjet_\w+?_\w{2,4}_(\d+x\d+)_")
_CUTLASS_GEMM = re.compile(r"cutlass_\w*?gemm\w*?_(\d+x\d+)_?")
# sm90_xmma_gemm_<types>_..._tilesize<tile m>x<tile n>x..., of cuBLAS, and AMD's Cijk_..._MT<tile m>x<tile n>x...
_XMMA = re.compile(r"^sm\d+_xmma_gemm_(b?f\d+)\w*?_tilesize(\d+x\d+)x")
_TENSILE = re.compile(r"^Cijk_\w*?_MT(\d+x\d+)x")
_ATTENTION = (
    (re.compile(r"flash_fwd_splitkv_combine"), "flash attention combine"),
    (re.compile(r"flash_fwd"), "flash attention"),
    (re.compile(r"fmha_cutlass\w*|AttentionKernel"), "memory-efficient attention"),
    (re.compile(r"cudnn\w*(sdpa|flash_fprop)", re.I), "cudnn attention"),
)
# What an elementwise kernel does is named by a functor or by the kernel that it was generated in.
_FUNCTION = re.compile(
    r"binary_internal::(\w+?)Functor"
    r"|::(Compare\w*?|Fill)Functor"
    r"|CUDAFunctor(?:OnSelf|OnOther)?_(\w+?)\b"
    r"|::(\w+?)_kernel_cuda\b"
    r"|::(\w+?)_kernel_impl\b"
    r"|::(\w+?)_kernel\((?:at::|c10::)"
    r"|::(\w+?)_cuda_out\b"
    r"|\b(direct_copy|index_copy)_kernel"
)
_REDUCTION = re.compile(r"ReduceOp<.*?(?:at::native::)?(\w+?)(?:Ops|Functor|_functor)\b")
_FUNCTIONS = {
    "direct_copy": "copy",
    "bfloat16_copy": "copy to bf16",
    "pow_tensor_scalar": "pow",
    "compareeq": "equal",
}
_TEMPLATE = re.compile(r"<[^<>]*>")
# C++ names as HIP's profiler leaves them, by the Itanium ABI: each name after its length, outer ones first.
_MANGLED = re.compile(r"^_ZN?(?=\d)")
_LENGTH = re.compile(r"[1-9]\d{0,2}")
# What Composable Kernel launches is this, and its first template argument that is a type is what it runs.
_ENTRY, _ENTERED = "kentry", re.compile(r"NS_(?=\d)")
_WIDEST = 60


def short_kernel_name(name: str) -> str:
    """The name in one line of at most 60 characters."""
    return _clip(_known(name) or _bare(name))


def _known(name: str) -> str | None:
    if name.startswith(("Memcpy", "Memset")):
        return name.lower().replace(" -> ", " to ").replace("htod", "H2D").replace("dtoh", "D2H").replace("dtod", "D2D")
    if match := _NVJET.match(name):
        return f"gemm {match.group(1)}{' split-k' if 'splitK' in name else ''} (nvjet)"
    if match := _XMMA.match(name):
        element = match.group(1) if match.group(1).startswith("b") else match.group(1).replace("f", "fp")
        return f"gemm {match.group(2)} (xmma) {element}"
    if match := _TENSILE.match(name):
        return f"gemm {match.group(1)} (Tensile)"
    if "splitKreduce" in name:
        return _typed("gemm split-k reduce", name)
    for pattern, words in _ATTENTION:
        if pattern.search(name):
            return _typed(words, name)
    if match := _CUTLASS_GEMM.search(name):
        return _typed(f"gemm {match.group(1)} (cutlass)", name.partition("cutlass_")[2].partition("_tn_")[0])
    if "CatArrayBatchedCopy" in name:
        return "concatenate"
    if "reduce_kernel" in name and (match := _REDUCTION.search(name)):
        return _typed(f"reduce {_function(match.group(1))}", name)
    if "indexSelect" in name:
        return _typed("index select", name)
    if "elementwise_kernel" in name and (match := _FUNCTION.search(name)):
        function = _function(next(group for group in match.groups() if group))
        return f"elementwise {function}" if " " in function else _typed(f"elementwise {function}", name)
    return None


def _function(name: str) -> str:
    return _FUNCTIONS.get(name.lower(), name.lower())


def _typed(words: str, name: str) -> str:
    for label, pattern in _DTYPES:
        if re.search(pattern, name):
            return f"{words} {label}"
    return words


def _bare(name: str) -> str:
    """The function's own name: no return type, namespaces, template arguments or parameters."""
    if match := _MANGLED.match(name):
        return _mangled(name, match.end()) or name
    text = name.replace("(anonymous namespace)::", "")
    while (shorter := _TEMPLATE.sub("", text)) != text:
        text = shorter
    text = text.partition("(")[0].strip().removeprefix("void ").strip()
    return text.rpartition("::")[2] or text or name.strip()


def _mangled(name: str, at: int) -> str | None:
    """The innermost of the nested names that begin there; None where they are not whole."""
    found = None
    while length := _LENGTH.match(name, at):
        at = length.end() + int(length[0])
        if at > len(name):
            return None
        found = name[length.end() : at]
    entered = _ENTERED.search(name, at) if found == _ENTRY else None
    return _mangled(name, entered.end()) if entered else found


def _clip(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
