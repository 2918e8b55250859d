"""How much of the device a kernel's grid can keep at work."""

from __future__ import annotations

import math

from profiler.report.evidence import KernelFacts, Peaks

WARP_THREADS = 32  # of all devices of NVIDIA
# Four schedulers, each of which issues every cycle when it has four warps to choose from, the cycles that a dependent
# arithmetic instruction takes (CUDA C++ Programming Guide, "Multiprocessor Level", compute capability 7.x and later).
WARPS_TO_ISSUE = 16
# Blocks a multiprocessor below which a part of the device has nothing to do. A grid that leaves a few of them out is as
# good as full: 128 blocks on 132.
FULL_GRID = 0.9
# CUDA C++ Programming Guide, "Technical Specifications per Compute Capability": at most 32 blocks a multiprocessor (16
# on some); registers go to warps 256 at a time; the system takes 1 KiB of each block's shared memory.
_MOST_BLOCKS = 32
_REGISTER_UNIT = 256
_SYSTEM_SHARED_BYTES = 1024


def resident_blocks(facts: KernelFacts, peaks: Peaks) -> int | None:
    """Blocks of the kernel that a multiprocessor holds at once, or None where its size is not known."""
    if not facts.threads or not peaks.threads_per_sm:
        return None
    warps = math.ceil(facts.threads / WARP_THREADS)
    limits = [_MOST_BLOCKS, peaks.threads_per_sm // (warps * WARP_THREADS)]
    if facts.registers and peaks.registers_per_sm:
        a_warp = math.ceil(facts.registers * WARP_THREADS / _REGISTER_UNIT) * _REGISTER_UNIT
        limits.append(peaks.registers_per_sm // (a_warp * warps))
    if facts.shared_bytes and peaks.shared_bytes_per_sm:
        limits.append(peaks.shared_bytes_per_sm // (facts.shared_bytes + _SYSTEM_SHARED_BYTES))
    return max(min(limits), 1)


def filled_ratio(facts: KernelFacts, peaks: Peaks) -> float:
    """The part of the device's issue slots that the grid can use: 1 for one that fills it, 0 for one that cannot.

    A grid of fewer blocks than multiprocessors leaves some without any work. A full one may still give each too few
    warps to hide the latency of its instructions, and its last wave may be short. Matrix units are fed asynchronously
    by few warps: there, only the blocks count.
    """
    if facts.blocks is None or facts.blocks < 0 or not peaks.sm_count:
        return 1.0
    blocks_per_sm = facts.blocks / peaks.sm_count
    if blocks_per_sm < FULL_GRID:
        return 0.0
    resident = resident_blocks(facts, peaks)
    if resident is None or not facts.threads or facts.uses_matrix_units:
        return 1.0
    warps = min(blocks_per_sm, resident) * math.ceil(facts.threads / WARP_THREADS)
    waves = blocks_per_sm / resident
    last_wave = waves / math.ceil(waves) if waves > 1 else 1.0
    return min(warps / WARPS_TO_ISSUE, 1.0) * last_wave
