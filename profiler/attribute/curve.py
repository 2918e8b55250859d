"""A phase's time over the speed of one resource: what each gain brings, and where it stops helping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from profiler.attribute.shares import STEP, Scenario, class_shares, share_table
from profiler.attribute.whatif import time_ratio
from profiler.report.source import Source, Sources
from profiler.report.speed_curve import Crossing, Curve, CurvePoint, Knob
from profiler.report.vocabulary import BottleneckClass

FASTEST = 8.0  # about the bandwidth of a B200 over that of a V100, both in configs/devices
# Steps of a fourth of a doubling, so that 1x, 2x, 4x and 8x are among them.
SPEEDS = tuple(2 ** (step / 4) for step in range(13))
# A knob whose share is below this gives less than a tenth of a further gain.
WORTH_IT = 0.1
# Crossings are found this closely; the readings of the evidence differ by more.
_PRECISION = 1.02


def curves_of(scenarios: Sequence[Scenario], wall_ms: float, knobs: Sequence[Knob] = tuple(Knob)) -> list[Curve]:
    """The curve of each of these knobs that the step needs anything of."""
    return [curve_of(knob, scenarios, wall_ms) for knob in knobs if matters(knob, scenarios[0])]


def curve_of(knob: Knob, scenarios: Sequence[Scenario], wall_ms: float) -> Curve:
    """The curve of one knob in the best reading, with where its class stops leading in any of them.

    `wall_ms` is the clean time.
    """
    best = scenarios[0]
    points = [_point(best, knob, speed, wall_ms) for speed in SPEEDS]
    sources: Sources = {}
    takes_over, why = _takes_over(knob, scenarios)
    if takes_over is None:
        sources["takes_over"] = Source(missing=why)
    stops_helping = _first(lambda speed: knob_share(best, knob, speed) < WORTH_IT)
    if stops_helping is None:
        sources["stops_helping"] = Source(missing=f"it still helps at {FASTEST:.0f}x")
    return Curve(
        knob=knob,
        points=points,
        limit_ms=wall_ms * time_ratio(best, dict.fromkeys(knob.resources, float("inf"))),
        takes_over=takes_over,
        stops_helping=stops_helping,
        sources=sources,
    )


def matters(knob: Knob, scenario: Scenario) -> bool:
    """Whether the step needs anything of it."""
    if knob in (Knob.HOST, Knob.LATENCY):
        return True
    return any(scenario.costs.uses(resource) for resource in knob.resources)


def knob_share(scenario: Scenario, knob: Knob, speed: float) -> float:
    """The elasticity of the step's time to a knob that already is at `speed`."""
    here, faster = (scenario.run(dict.fromkeys(knob.resources, at)).period_us for at in (speed, speed * STEP))
    return (1 - faster / here) / (1 - 1 / STEP) if here > 0 else 0.0


def leading_class(scenario: Scenario, knob: Knob, speed: float) -> BottleneckClass:
    """The bottleneck with the knob at `speed`."""
    table = share_table([scenario], speeds=dict.fromkeys(knob.resources, speed))
    shares = class_shares(table)[0]
    return max(shares, key=lambda klass: shares[klass])


def _point(scenario: Scenario, knob: Knob, speed: float, wall_ms: float) -> CurvePoint:
    return CurvePoint(
        speed=speed,
        ms=wall_ms * time_ratio(scenario, dict.fromkeys(knob.resources, speed)),
        share=knob_share(scenario, knob, speed),
    )


def _takes_over(knob: Knob, scenarios: Sequence[Scenario]) -> tuple[Crossing | None, str]:
    """Where another class becomes the bottleneck, or why nowhere."""
    own = knob.bottleneck_class
    now = leading_class(scenarios[0], knob, 1.0)
    if now is not own:
        return None, f"{now} is the bottleneck already"
    found = [_first(partial(_led_by_another, scenario, knob)) for scenario in scenarios]
    if found[0] is None:
        return None, f"{own} is still the bottleneck at {FASTEST:.0f}x"
    known = [speed for speed in found if speed is not None]
    crossing = Crossing(
        speed=found[0],
        low=min(known),
        high=max(known) if len(known) == len(found) else None,
        class_=leading_class(scenarios[0], knob, found[0]),
    )
    return crossing, ""


def _led_by_another(scenario: Scenario, knob: Knob, speed: float) -> bool:
    return leading_class(scenario, knob, speed) is not knob.bottleneck_class


def _first(crossed: Callable[[float], bool]) -> float | None:
    """The lowest speed, 1 to `FASTEST`, from which on `crossed` holds, by bisection; None where it never does."""
    if crossed(1.0):
        return 1.0
    if not crossed(FASTEST):
        return None
    low, high = 1.0, FASTEST
    while high / low > _PRECISION:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if crossed(middle) else (middle, high)
    return high
