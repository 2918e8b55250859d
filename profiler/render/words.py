"""How the report's vocabulary reads in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from profiler.report.analysis import PartName
from profiler.report.timeline import STREAMS_OF_A_DEVICE
from profiler.report.trace_waits import PathKind
from profiler.report.vocabulary import Cause, Resource

CAUSES = {
    Cause.MEMORY_WEIGHTS: "reading the weights",
    Cause.MEMORY_KV_CACHE: "reading the KV cache",
    Cause.MEMORY_ACTIVATIONS: "reading and writing activations",
    Cause.MEMORY_COPY: "copies inside the device's memory",
    Cause.MEMORY_CAPACITY: "the KV cache is full",
    Cause.COMPUTE_TENSOR: "matrix multiplies",
    Cause.COMPUTE_ISSUE: "issuing instructions",
    Cause.IO_H2D: "copies from host to device",
    Cause.IO_D2H: "copies from device to host",
    Cause.IO_DISK: "reading from disk",
    Cause.IO_INPUT: "a late input pipeline",
    Cause.IO_COLLECTIVE: "collectives between devices",
    Cause.SCHEDULING_HOST: "the host",
    Cause.SCHEDULING_SYNC: "syncs: each waits for the other",
    Cause.SCHEDULING_LAUNCH_GAP: "gaps between launch and kernel",
    Cause.SCHEDULING_SMALL_KERNELS: "kernels too small for the device",
    Cause.SCHEDULING_STREAM_IMBALANCE: "streams that wait for each other",
    Cause.SCHEDULING_QUEUE: "requests wait in the queue",
    Cause.SCHEDULING_BATCH_HOLES: "holes in the batch",
    Cause.SCHEDULING_HEAD_OF_LINE: "long requests block short ones",
}

RESOURCES = {
    Resource.DRAM: "memory bandwidth",
    Resource.TENSOR: "matrix units",
    Resource.ISSUE: "instruction issue",
    Resource.PCIE: "host-device copies",
    Resource.DISK: "storage",
    Resource.LINK: "links between devices",
    Resource.HOST: "speed of the host",
    Resource.LATENCY: "fixed cost of kernels",
}

PARTS = {
    PartName.KERNEL_DRAM: "kernels that wait for memory",
    PartName.KERNEL_TENSOR: "kernels: matrix units",
    PartName.KERNEL_ISSUE: "kernels: issuing instructions",
    PartName.KERNEL_LATENCY: "kernels: stalled or too small",
    PartName.KERNEL_UNKNOWN: "kernels: limiter not known",
    PartName.COPY_WITHIN_DEVICE: "copies inside the device",
    PartName.COPY_H2D: "exposed copies to the device",
    PartName.COPY_D2H: "exposed copies from the device",
    PartName.COPY_P2P: "exposed copies between devices",
    PartName.COLLECTIVE: "exposed collectives",
    PartName.IDLE_HOST: "idle: the host launches late",
    PartName.IDLE_SYNC: "idle: the host was blocked in a sync",
    PartName.IDLE_LAUNCH_GAP: "idle: from launch to kernel",
    PartName.IDLE_OTHER_STREAM: "idle: waits for another stream",
    PartName.IDLE_INPUT: "idle: waits for the data loader",
    PartName.IDLE_STAGING: "idle: pageable memory is staged",
    PartName.IDLE_NOTHING_ASKED: "idle: nothing was asked",
    PartName.IDLE_UNKNOWN: "idle: cause not known",
}

PATH_KINDS = {
    PathKind.KERNEL: "kernels",
    PathKind.COLLECTIVE: "collectives",
    PathKind.COPY: "copies",
    PathKind.HOST: "host",
    PathKind.SYNC: "return from a sync",
    PathKind.LAUNCH: "launch to start",
    PathKind.OTHER_STREAM: "wait for a stream",
    PathKind.UNKNOWN: "not known",
}


def stream_name(number: int) -> str:
    """As people number streams: of each device anew, the first device being the one that is meant."""
    device, stream = divmod(number, STREAMS_OF_A_DEVICE)
    return f"GPU {device} stream {stream}" if device > 0 else f"stream {stream}"


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last


def sentence(text: str) -> str:
    """Text that begins with a capital letter and ends with a full stop."""
    text = text.strip()
    if not text:
        return ""
    ended = text if text[-1] in ".!?" else f"{text}."
    return ended[0].upper() + ended[1:]
