"""A verdict whose bytes a witness contradicts: how far memory's share may then be off."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from profiler.attribute.verdict import undermined
from profiler.numerals import three_digits
from profiler.report.records import Share, Verdict
from profiler.report.vocabulary import BottleneckClass, Resource, VerdictState


class Traffic(Struct, frozen=True):
    """Bytes of DRAM traffic of an iteration: as a counter saw them, and as the shapes say that they are needed."""

    seen_bytes: float
    expected_bytes: float

    @property
    def words(self) -> str:
        """Both, for people."""
        return (
            f"the driver saw {three_digits(self.seen_bytes / 1e9)} GB of DRAM traffic an iteration, the operations' "
            f"shapes say {three_digits(self.expected_bytes / 1e9)} GB"
        )


def doubt_memory(
    verdict: Verdict, shares: Sequence[Share], traffic: Traffic, dram_bytes_per_s: float | None, wall_ms: float
) -> tuple[Verdict, list[Share]]:
    """The verdict and the shares, with memory's interval as wide as the disagreement makes it.

    Less traffic than the shapes say takes from memory's lower end in proportion. More of it may hold the step back for
    as long as it takes at the ceiling: the upper end. What that does not reach stays as sure as it was, as with a
    matrix product that reads its operands twice. Where memory leads, or could, the confidence is halved; where it is
    no longer told from the others, nothing is clear.
    """
    seen = traffic.seen_bytes
    doubted = []
    for share in shares:
        if share.resource is Resource.DRAM:
            high = share.high
            if seen > traffic.expected_bytes and dram_bytes_per_s and wall_ms > 0:
                high = max(high, min(seen / dram_bytes_per_s / (wall_ms / 1e3), 1.0))
            low = min(share.low, share.low * seen / traffic.expected_bytes)
            share = structs.replace(share, low=low, high=high)
        doubted.append(share)
    if verdict.class_ is None or verdict.state is VerdictState.REFUSED or verdict.low is None or verdict.high is None:
        return verdict, doubted
    ends = {klass: [0.0, 0.0] for klass in BottleneckClass}
    for share in doubted:
        ends[share.class_][0] += share.low
        ends[share.class_][1] += share.high
    memory_low, memory_high = ends[BottleneckClass.MEMORY]
    if verdict.class_ is not BottleneckClass.MEMORY:
        return (undermined(verdict, [traffic.words]) if memory_high >= verdict.low else verdict), doubted
    verdict = structs.replace(verdict, low=memory_low, high=memory_high)
    if memory_low <= max(high for klass, (_, high) in ends.items() if klass is not BottleneckClass.MEMORY):
        return undermined(verdict, [traffic.words]), doubted
    confidence = None if verdict.confidence is None else verdict.confidence / 2
    return structs.replace(verdict, confidence=confidence), doubted
