"""Are several traces those of one job's ranks? A folder may hold anything, and unrelated traces wait for nobody."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.attribute.collectives import RankCollectives
from profiler.numerals import three_digits
from profiler.report.analysis import RankAnalysis
from profiler.report.collectives import CollectiveWaits
from profiler.trace.timeline import ProcessRank

# Ranks of one job run about as many kernels: the eight of v100x8_dlrm 246 to 322.
_MANY_MORE = 1.5
# Unix time in nanoseconds since September 2001. Clocks that show less count from when a profiler or machine began.
_UNIX_NS = 10**18
# What clocks of machines that are set by a network differ by, at most.
_TOGETHER_NS = 1_000_000


def why_separate(
    ranks: Sequence[RankAnalysis], collectives: Sequence[RankCollectives], waits: CollectiveWaits | None
) -> str | None:
    """What tells that these are no ranks of one job, or None where nothing does. Both are of the same traces.

    What the traces say of themselves comes first, then whether all met in collectives, then whether they did as much.
    """
    processes = _processes(collectives)
    if len(processes) < 2:
        return None  # the devices of one file
    if all(processes):
        return _claims([process for process in processes if process is not None])
    if waits is not None and all(rank.collectives for rank in waits.ranks):
        return None
    devices = sorted({rank.device for rank in ranks if rank.device is not None})
    if len(devices) > 1:
        return f"they ran on {', '.join(devices[:-1])} and {devices[-1]}, and met in no collective that all have"
    counts = [sum(family.kernels for family in rank.families) for rank in ranks]
    if max(counts) > _MANY_MORE * min(counts):
        return f"they ran {min(counts):,} to {max(counts):,} kernels, and met in no collective that all have"
    return None


def instant_note(collectives: Sequence[RankCollectives]) -> str:
    """What --from and --to mean for several ranks: each counts from its own first start."""
    told = "--from and --to count from the first start on each rank's own device"
    starts = [rank.first_ns for rank in collectives]
    if min(starts) < _UNIX_NS:
        return f"{told}; the clocks of these traces begin anywhere, so nobody knows how far apart these are"
    apart = max(starts) - min(starts)
    if apart <= _TOGETHER_NS:
        return f"{told}, which by their clocks lie {three_digits(apart / 1e6)} ms apart: one instant for all"
    return f"{told}, which by their clocks lie {apart / 1e6:,.1f} ms apart: what is compared did not happen at once"


def _processes(collectives: Sequence[RankCollectives]) -> list[ProcessRank | None]:
    """Of each file what it says of itself: the devices of one are one process."""
    return list({rank.file: rank.process for rank in collectives}.values())


def _claims(processes: Sequence[ProcessRank]) -> str | None:
    sizes = sorted({process.of for process in processes})
    if len(sizes) > 1:
        return f"they say that they are of jobs of {', '.join(map(str, sizes[:-1]))} and {sizes[-1]} processes"
    numbers = [process.rank for process in processes]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    return f"several say that they are rank {twice[0]} of {sizes[0]}" if twice else None
