"""What a name in a trace means: an activity of the device, or a call of the host."""

from __future__ import annotations

import re

from profiler.trace.timeline import Activity, Call

# NCCL and RCCL name their kernels ncclKernel_*, ncclDevKernel_*, rcclGenericKernel*; the others are the custom
# all-reduces of vLLM, SGLang, TensorRT-LLM and torch's symmetric memory.
_COLLECTIVE = re.compile(r"\b(nccl|rccl)|cross_device_reduce|all_?reduce")  # in lower case: three times as fast
# What captured copies and memsets within the device are replayed as: kernels of the driver's own, which say nothing of
# their bytes (memcpy32_post, memcpy128, memset32 with CUDA 12 and 13).
_REPLAYED = re.compile(r"(memcpy|memset)(8|16|32|64|128)(_post)?")
# CUDA says "Memcpy HtoD (Pageable -> Device)", ROCm also "CopyHostToDevice".
_COPY = re.compile(r"\b(?:Memcpy|Copy) ?(H|D|P|A|Host|Device|Peer|Array)[tT]o(H|D|P|A|Host|Device|Peer|Array)")
_CALLS = (
    (re.compile(r"GraphLaunch"), Call.GRAPH_LAUNCH),
    (re.compile(r"Launch(?!HostFunc)"), Call.LAUNCH),
    (re.compile(r"^(cuda|cu|hip)Memcpy"), Call.COPY),
    (re.compile(r"^(cuda|cu|hip)Memset"), Call.MEMSET),
    (re.compile(r"Synchronize"), Call.SYNC),
    (re.compile(r"EventRecord"), Call.EVENT_RECORD),
    (re.compile(r"StreamWaitEvent"), Call.EVENT_WAIT),
)


def kernel_activity(name: str) -> Activity:
    """Whether a kernel computes, communicates, or is a copy or a memset that a CUDA graph replays."""
    replayed = _REPLAYED.fullmatch(name)
    if replayed is not None:
        return Activity.D2D if replayed[1] == "memcpy" else Activity.MEMSET
    return Activity.COLLECTIVE if _COLLECTIVE.search(name.lower()) else Activity.KERNEL


def copy_activity(name: str) -> Activity:
    """The direction of a memory copy; one that does not say stays on the device."""
    match = _COPY.search(name)
    if match is None:
        return Activity.D2D
    source, target = match[1][0], match[2][0]
    if "P" in (source, target):
        return Activity.P2P
    if source == "H":
        return Activity.H2D
    return Activity.D2H if target == "H" else Activity.D2D


def call_kind(name: str) -> Call:
    """What a runtime or driver call does, by its CUDA or HIP name."""
    return next((kind for pattern, kind in _CALLS if pattern.search(name)), Call.OTHER)
