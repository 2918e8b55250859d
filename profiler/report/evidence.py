"""What a judgement of one step rests on beside its times: enough to judge a kept step again."""

from __future__ import annotations

from msgspec import Struct

from profiler.report.vocabulary import Cause


class Peaks(Struct, frozen=True):
    """The device: measured ceilings (bytes/s; the fixed cost of a kernel in microseconds) and what it is made of."""

    dram_bytes_per_s: float | None
    kernel_us: float
    sm_count: int | None
    l2_bytes: int | None
    threads_per_sm: int | None = None
    registers_per_sm: int | None = None
    shared_bytes_per_sm: int | None = None


class CleanTimes(Struct, frozen=True):
    """What the clean pass found, in milliseconds. `host_ms`: the host's launching alone, where it was measured."""

    wall_ms: float
    low_ms: float | None
    high_ms: float | None
    host_ms: float | None


class KernelFacts(Struct, frozen=True):
    """What is known of one kernel but its duration. Bytes and FLOPs are None where its operation is unknown.

    `bytes` must be moved as the operation's shapes say; `resident_bytes` of them pass from kernel to kernel.
    `counted_bytes`, and the parts of its time in which matrix units and instruction issue were active, are from
    hardware counters. `threads` and `shared_bytes` are a block's, `registers` a thread's.
    """

    bytes: float | None
    resident_bytes: float
    flops: float | None
    uses_matrix_units: bool
    blocks: int | None
    memory_cause: Cause
    tensor_flops_per_s: float | None = None  # the ceiling for its number format and kind of kernel
    threads: int | None = None
    registers: int | None = None
    shared_bytes: int | None = None
    is_special_function: bool = False  # tens to hundreds of instructions an element, which nobody counted
    is_matrix_product: bool = False  # and no attention, which does more than multiply
    executed_flops: float | None = None  # more than `flops` where a kernel computes whole tiles
    counted_bytes: float | None = None
    tensor_active_ratio: float | None = None
    issue_active_ratio: float | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """The rest of a step's evidence: `facts[facts_of[row]]` are those of the device row."""

    clean: CleanTimes
    peaks: Peaks
    facts: list[KernelFacts]
    facts_of: list[int]
