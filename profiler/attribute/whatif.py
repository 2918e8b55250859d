"""The same step at other speeds: how long it takes there, and what holds it back there.

A prediction is the clean time times T(speeds)/T(1) of the replay, so that speeds of 1 give the clean time. Readings of
the evidence give the range of that ratio, the clean pass the range of the time; the interval is the product of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from profiler.attribute.shares import Scenario, Table, class_shares, share_records, share_table
from profiler.attribute.verdict import is_apart
from profiler.report.evidence import CleanTimes
from profiler.report.records import Share
from profiler.report.vocabulary import BottleneckClass, Resource, VerdictState
from profiler.report.whatif import Estimate, Leader

# Two cards differ by their clocks, too, which follow power and heat: about 0.1 in a share of memory at 1.408 times the
# bandwidth (phases that need none differed so between an H100 and an H200), which is 3% of the time.
BETWEEN_CARDS = 0.1 * (1 - 1 / 1.408)


class Prediction(Struct, frozen=True):
    """A phase at other speeds: its time, how much faster that is, and the shares there (small steps from there).

    `low_ms` and `high_ms` are None where the clean time has no interval. `class_shares` has one entry a scenario, the
    best reading first.
    """

    ms: float
    low_ms: float | None
    high_ms: float | None
    speedup: Estimate
    shares: list[Share]
    class_shares: list[dict[BottleneckClass, float]]

    @property
    def time(self) -> Estimate:
        """The time with its interval."""
        return Estimate(value=self.ms, low=self.low_ms, high=self.high_ms)

    @property
    def leader(self) -> Leader:
        """The bottleneck at these speeds."""
        return leader_of(self.shares, self.class_shares)


def predict(
    scenarios: Sequence[Scenario], clean: CleanTimes, speeds: Mapping[Resource, float], spread: float = 0.0
) -> Prediction:
    """The step at `speeds` (2 is twice as fast, infinity is free; what is not named stays as it is).

    The first scenario is the best reading and gives the value. `spread` is how far, relatively, the same work may
    differ there for reasons that no speed tells (see `BETWEEN_CARDS`).
    """
    ratios = [time_ratio(scenario, speeds) for scenario in scenarios]
    low, high = min(ratios) * (1 - spread), max(ratios) * (1 + spread)
    table: Table = share_table(scenarios, speeds=speeds)
    return Prediction(
        ms=clean.wall_ms * ratios[0],
        low_ms=None if clean.low_ms is None else max(clean.low_ms, 0.0) * low,
        high_ms=None if clean.high_ms is None else clean.high_ms * high,
        speedup=Estimate(value=_inverse(ratios[0]), low=_inverse(high), high=_inverse(low)),
        shares=share_records(table),
        class_shares=class_shares(table),
    )


def time_ratio(scenario: Scenario, speeds: Mapping[Resource, float]) -> float:
    """T(speeds) over T(1); 1 where nothing takes time."""
    base = scenario.run().period_us
    return scenario.run(speeds).period_us / base if base > 0 else 1.0


def leader_of(shares: Sequence[Share], by_scenario: Sequence[Mapping[BottleneckClass, float]]) -> Leader:
    """The class with the largest share, by the rule of a verdict: clear where its interval lies above all others."""
    best = by_scenario[0]
    leader = max(best, key=lambda klass: best[klass])
    values = [scenario[leader] for scenario in by_scenario]
    others = max(scenario[klass] for scenario in by_scenario for klass in scenario if klass is not leader)
    return Leader(
        class_=leader,
        resource=max((share for share in shares if share.class_ is leader), key=lambda share: share.share).resource,
        share=best[leader],
        low=min(values),
        high=max(values),
        state=VerdictState.CLEAR if min(values) > others and is_apart(best) else VerdictState.INCONCLUSIVE,
    )


def finite_share(speedup: float, speeds: Mapping[Resource, float]) -> float | None:
    """(1 - T(k)/T) / (1 - 1/k), where everything that changed did so by one factor k; else None."""
    factors = {factor for factor in speeds.values() if factor != 1.0}
    if len(factors) != 1:
        return None
    return (1 - 1 / speedup) / (1 - 1 / factors.pop())


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio > 0 else float("inf")
