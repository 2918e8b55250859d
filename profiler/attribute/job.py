"""Many ranks as one job: how far their parts differ, and which rank the others wait for."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.attribute.collectives import RankCollectives, collective_waits
from profiler.attribute.one_job import instant_note, why_separate
from profiler.numerals import three_digits
from profiler.report.analysis import Job, PartName, PartSpread, RankAnalysis, Straggler
from profiler.report.collectives import CollectiveWaits
from profiler.report.source import Source

# Ranks that differ by less of their span are alike: steps of one job vary by a few percent anyway.
_ALIKE = 0.05


def job_of(
    ranks: Sequence[RankAnalysis], collectives: Sequence[RankCollectives] = (), *, between_times: bool = False
) -> Job:
    """The sums over all ranks, the spread of each part, largest first, who waits for whom, and the straggler if any.

    `collectives` are those of the same ranks; without them it is not known who waits for whom, nor whether these are
    ranks of one job. `between_times` says that each rank was looked at between the same times since its own start.
    """
    waits = collective_waits(collectives)
    separate = why_separate(ranks, collectives, waits)
    sources = {} if waits is not None else {"waits": Source(missing="no two of the traces show collectives")}
    if separate is not None:
        waits = None
        why = f"separate traces: {separate}"
        sources = {"waits": Source(missing=why), "straggler": Source(missing=why)}
    by_part = {name: [_ns_of(rank, name) for rank in ranks] for name in PartName}
    parts = [
        PartSpread(part=name, ns=sum(times), least_ns=min(times), median_ns=_median_ns(times), most_ns=max(times))
        for name, times in by_part.items()
        if any(times)
    ]
    return Job(
        ranks=len(ranks),
        span_ns=sum(rank.span_ns for rank in ranks),
        busy_ns=sum(rank.busy_ns for rank in ranks),
        idle_ns=sum(rank.idle_ns for rank in ranks),
        kernel_ns=sum(rank.kernel_ns for rank in ranks),
        parts=sorted(parts, key=lambda part: -part.ns),
        straggler=None if separate is not None else _last(ranks, waits),
        waits=waits,
        separate=separate,
        notes=[instant_note(collectives)] if between_times and collectives and separate is None else [],
        sources=sources,
    )


def _last(ranks: Sequence[RankAnalysis], waits: CollectiveWaits | None) -> Straggler | None:
    return _last_to_arrive(ranks, waits) if waits is not None and waits.matched else _straggler(ranks)


def _last_to_arrive(ranks: Sequence[RankAnalysis], waits: CollectiveWaits) -> Straggler | None:
    """The rank that held up the others the longest, if that was long for each of them."""
    number = max(range(len(ranks)), key=lambda rank: waits.ranks[rank].held_up_ns)
    last = waits.ranks[number]
    each_ns = last.held_up_ns / (len(ranks) - 1)
    if each_ns < _ALIKE * ranks[number].span_ns:
        return None
    return Straggler(
        name=last.name,
        reason=f"it was the last to arrive at {last.last} of {last.collectives} collectives: each of the others waited "
        f"{three_digits(each_ns / 1e6)} ms for it there, in the mean",
    )


def _straggler(ranks: Sequence[RankAnalysis]) -> Straggler | None:
    """Where calls cannot be matched: others wait for the rank that comes last, so its own collectives are short."""
    if any(not rank.overlap.collective_ns for rank in ranks):
        return None  # no job of ranks that meet
    times = [rank.overlap.collective_ns for rank in ranks]
    last = min(ranks, key=lambda rank: rank.overlap.collective_ns)
    usual = _median_ns(times)
    if usual - last.overlap.collective_ns < _ALIKE * last.span_ns:
        return None
    return Straggler(
        name=last.name,
        reason=f"its collectives take {three_digits(last.overlap.collective_ns / 1e6)} ms, those of the ranks in the "
        f"middle {three_digits(usual / 1e6)} ms: the others wait for it there",
    )


def _ns_of(rank: RankAnalysis, name: PartName) -> int:
    return next((part.ns for part in rank.parts if part.part is name), 0)


def _median_ns(times_ns: Sequence[int]) -> int:
    """The lower of the two in the middle. `statistics` imports fractions and random numbers, too."""
    return sorted(times_ns)[(len(times_ns) - 1) // 2]
