"""What an attention kernel really computes: whole tiles of queries, at the rate of its kind of kernel."""

from __future__ import annotations

import math
import re

# How many queries a tile has, in the names of FlashAttention 2 (head size, queries, keys, ...), of the memory-efficient
# kernel of xformers (queries x keys) and of cuDNN (queries x keys x head size).
_QUERIES_OF_A_TILE = (
    re.compile(r"Flash_fwd_kernel_traits<\d+, (\d+), \d+"),
    re.compile(r"fmha_cutlassF\w*_(\d+)x\d+"),
    re.compile(r"flash_fprop_\w*?_(\d+)x\d+x\d+"),
)
# Kernels that multiply with the instructions of GPUs before Hopper (`mma`).
_OLD_INSTRUCTIONS = re.compile(r"Flash_fwd_kernel_traits<|fmha_cutlassF|_sdpa_sm80_")
# Where large products are made by others: `wgmma` (9.0), `tcgen05` (10.x, 11.0). GeForce and RTX PRO cards of the
# Blackwell generation (12.x) have neither (PTX ISA, "Target ISA Notes" of both).
_NEWER_INSTRUCTIONS = (9, 10, 11)
# "FlashAttention-2 achieves only 35% utilization on the H100 GPU" (Shah et al. 2024, arXiv 2407.08608), of the 989
# TFLOP/s of its datasheet; a large bf16 product reached 0.80 of that, the GEMM ceiling.
_OLD_ON_HOPPER = 0.35 / 0.80
# "up to 73%" of the peak of an A100 (Dao 2023, arXiv 2307.08691), where a large product reaches 0.9.
_OLD_ON_ITS_OWN = 0.73 / 0.90
# FlashAttention 2 is "around 2x" as fast as FlashAttention (the same paper, abstract), which is the algorithm of
# xformers' memory-efficient kernel; its figures show both alike.
_EFFICIENT = re.compile(r"fmha_cutlassF")
_EFFICIENT_OVER_FLASH_2 = 0.5


def executed_ratio(kernel: str, queries: float) -> float:
    """Executed over needed FLOPs: a tile is computed whole, even for the one query of a decode step.

    1 where the kernel's name does not say how large its tiles are.
    """
    if math.isnan(queries) or queries <= 0:
        return 1.0
    for pattern in _QUERIES_OF_A_TILE:
        if match := pattern.search(kernel):
            tile = int(match[1])
            return math.ceil(queries / tile) * tile / queries
    return 1.0


def rate_ratio(kernel: str, compute_capability: tuple[int, int] | None) -> float:
    """What a kernel of this name reaches of the GEMM ceiling where matrix units are all it waits for."""
    if compute_capability is None or not _OLD_INSTRUCTIONS.search(kernel):
        return 1.0
    flash_2 = _OLD_ON_HOPPER if compute_capability[0] in _NEWER_INSTRUCTIONS else _OLD_ON_ITS_OWN
    return flash_2 * _EFFICIENT_OVER_FLASH_2 if _EFFICIENT.search(kernel) else flash_2
