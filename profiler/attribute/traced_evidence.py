"""What holds a traced program back, in sentences: its larger parts, those of the leading class first."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.numerals import three_digits
from profiler.report.analysis import PartName, TracePart
from profiler.report.vocabulary import BottleneckClass, Resource
from profiler.trace.accounting import Accounting

# Parts smaller than this are not worth a sentence.
_MENTIONED = 0.05
_MOST_SENTENCES = 4

_SENTENCES = {
    PartName.KERNEL_DRAM: "{} of the time are kernels that wait for memory",
    PartName.KERNEL_TENSOR: "{} of the time are kernels that keep the matrix units busy",
    PartName.KERNEL_ISSUE: "{} of the time are kernels busy issuing instructions, not waiting for memory",
    PartName.KERNEL_LATENCY: "{} of the time are kernels that stall or are too small to use the GPU",
    PartName.KERNEL_UNKNOWN: "{} of the time are kernels of which nobody knows what limits them",
    PartName.COPY_WITHIN_DEVICE: "{} of the time are copies and memsets within the GPU's memory",
    PartName.COPY_H2D: "copies to the GPU that nothing hides take {} of the time",
    PartName.COPY_D2H: "copies from the GPU that nothing hides take {} of the time",
    PartName.COPY_P2P: "copies between GPUs that nothing hides take {} of the time",
    PartName.COLLECTIVE: "collectives that nothing hides take {} of the time",
    PartName.IDLE_HOST: "the GPU waited {} of the time for the host to launch work",
    PartName.IDLE_SYNC: "the GPU waited {} of the time for a host that was blocked in a sync",
    PartName.IDLE_LAUNCH_GAP: "gaps between launch and kernel take {} of the time",
    PartName.IDLE_OTHER_STREAM: "one stream waited {} of the time for another",
    PartName.IDLE_INPUT: "the GPU waited {} of the time for the data loader",
    PartName.IDLE_STAGING: "the GPU waited {} of the time while the host staged pageable memory for a copy",
    PartName.IDLE_NOTHING_ASKED: "nothing was asked of the GPU {} of the time",
    PartName.IDLE_UNKNOWN: "the GPU was idle {} of the time before kernels whose launch was not recorded",
}
# What of a class that has several resources is of which; other parts are of a class with one, or of none.
_RESOURCES = {
    PartName.KERNEL_TENSOR: Resource.TENSOR,
    PartName.KERNEL_ISSUE: Resource.ISSUE,
    PartName.KERNEL_LATENCY: Resource.LATENCY,
    PartName.COPY_H2D: Resource.PCIE,
    PartName.COPY_D2H: Resource.PCIE,
    PartName.COLLECTIVE: Resource.LINK,
    PartName.IDLE_INPUT: Resource.DISK,
    PartName.IDLE_HOST: Resource.HOST,
    PartName.IDLE_SYNC: Resource.HOST,
    PartName.IDLE_NOTHING_ASKED: Resource.HOST,
    PartName.IDLE_LAUNCH_GAP: Resource.LATENCY,
    PartName.IDLE_OTHER_STREAM: Resource.LATENCY,
}


def traced_sentences(
    leader: BottleneckClass, resource: Resource, parts: Sequence[TracePart], told: Accounting, why_unknown: str
) -> list[str]:
    """Sentences about the parts; before them, where it is worth one, how long the GPU was idle.

    Those of the `leader` come first, and of these those of its leading `resource`, which names the verdict's cause.
    `why_unknown` says of kernels without a known limit why that is so.
    """
    idle = told.idle_ns / told.span_ns
    worth = [part for part in parts if part.fraction >= _MENTIONED]
    worth.sort(key=lambda part: (_turn(part, leader, resource), -part.ns))
    found = [_sentence(part, why_unknown) for part in worth][:_MOST_SENTENCES]
    kinds_of_idle = sum(part.part.is_idle for part in worth)
    if idle >= _MENTIONED and kinds_of_idle > 1:
        span_ms = told.span_ns / 1e6
        span = f"{three_digits(span_ms)} ms" if span_ms < 1e3 else f"{span_ms / 1e3:,.1f} s"
        found.insert(0, f"the GPU was idle {idle:.0%} of {span}")
    return found


def _turn(part: TracePart, leader: BottleneckClass, resource: Resource) -> int:
    if part.class_ is not leader:
        return 2
    return int(_RESOURCES.get(part.part, resource) is not resource)


def _sentence(part: TracePart, why_unknown: str) -> str:
    text = _SENTENCES[part.part].format(f"{part.fraction:.0%}")
    return f"{text}: {why_unknown}" if part.part is PartName.KERNEL_UNKNOWN else text
