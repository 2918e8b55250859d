"""Why a policy is judged as it is, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from profiler.numerals import percent, three_digits
from profiler.report.simulation import CarriedLoad, ServingPart, ServingPartName
from profiler.serving.verdict import waiting_cause

_WHY = {
    ServingPartName.QUEUE: "for its turn, with slots and memory as they are",
    ServingPartName.BATCH_HOLES: "for slots whose requests had ended",
    ServingPartName.HEAD_OF_LINE: "behind longer requests, which shortest-first would save",
    ServingPartName.CAPACITY: "for the KV cache alone, or to be computed again after it was full",
}
_OR_BEHIND = "for its turn, or behind longer requests: no order would serve them all"
_HOLES_WORTH_TELLING = 0.1


def evidence(shares: Mapping[str, float], parts: list[ServingPart], load: CarriedLoad, hole_ratio: float) -> list[str]:
    """The split of the time first; `shares` are those of queue, prefill and decode."""
    split = ", ".join(f"{name} {percent(of)}" for name, of in shares.items())
    holes = f"; {percent(hole_ratio)} of the slot-steps are holes" if hole_ratio > _HOLES_WORTH_TELLING else ""
    words = [f"Of the time that requests take: {split}{holes}"]
    of = {part.part: part.fraction for part in parts}
    waiting = sum(fraction for name, fraction in of.items() if name.is_waiting)
    cause = waiting_cause(parts, load)
    share, why = of[cause], _WHY[cause]
    if load.diverges and cause is ServingPartName.QUEUE and of[ServingPartName.HEAD_OF_LINE]:
        share, why = share + of[ServingPartName.HEAD_OF_LINE], _OR_BEHIND  # as the cause was chosen
    if share:
        words.append(f"Of the waiting, {percent(share / waiting)} is {why}")
    offered, most = load.offered_requests_per_s, load.most_requests_per_s
    if load.diverges and offered is not None and most is not None:
        words.append(
            f"{three_digits(offered)} requests/s arrive, it carries {three_digits(most)}: "
            "the queue grows for as long as that lasts"
        )
    return words
