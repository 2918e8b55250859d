"""A phase's time over the speed of one resource: what each gain brings, and where it stops helping.

A step is replayed at many speeds for little more than at one, so everything is asked of many settings at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from profiler.attribute.replay import Floats
from profiler.attribute.shares import STEP, Scenario, class_shares, scenario_periods_us, share_of, shares_at
from profiler.report.source import Source, Sources
from profiler.report.speed_curve import Crossing, Curve, CurvePoint, Knob
from profiler.report.vocabulary import BottleneckClass, Resource

FASTEST = 8.0  # about the bandwidth of a B200 over that of a V100, both in configs/devices
# Steps of a fourth of a doubling, so that 1x, 2x, 4x and 8x are among them.
SPEEDS = tuple(2 ** (step / 4) for step in range(13))
# A knob whose share is below this gives less than a tenth of a further gain.
WORTH_IT = 0.1
# Crossings are found this closely; the readings of the evidence differ by more.
_PRECISION = 1.02
# What is left of a search is divided into so many parts a round: three rounds for a `_PRECISION` of 1.02.
_PARTS = 5


class Setting(Struct, frozen=True):
    """One reading of the evidence, with one knob at one speed."""

    scenario: Scenario
    knob: Knob
    speed: float = 1.0

    @property
    def speeds(self) -> Mapping[Resource, float]:
        """The speeds of the knob's resources."""
        return dict.fromkeys(self.knob.resources, self.speed)

    def at(self, speed: float) -> Setting:
        """The same at another speed."""
        return replace(self, speed=speed)


# Of each setting, whether it lies beyond what is looked for.
_Crossed = Callable[[Sequence[Setting]], list[bool]]


def curves_of(scenarios: Sequence[Scenario], wall_ms: float, knobs: Sequence[Knob] = tuple(Knob)) -> list[Curve]:
    """The curve in the best reading of each of these knobs that the step needs anything of.

    Each says, too, where its class stops leading in any of the readings. `wall_ms` is the clean time.
    """
    best = scenarios[0]
    turned = [Setting(best, knob) for knob in knobs if matters(knob, best)]
    lines, leaders, stops = _points(turned, wall_ms), leading_classes(turned), _first(_hardly_helps, turned)
    found = []
    for each, (*points, free), leader, stops_helping in zip(turned, lines, leaders, stops, strict=True):
        sources: Sources = {}
        takes_over, why = _takes_over(each.knob, leader, scenarios)
        if takes_over is None:
            sources["takes_over"] = Source(missing=why)
        if stops_helping is None:
            sources["stops_helping"] = Source(missing=f"it still helps at {FASTEST:.0f}x")
        curve = Curve(
            knob=each.knob,
            points=points,
            limit_ms=free.ms,
            takes_over=takes_over,
            stops_helping=stops_helping,
            sources=sources,
        )
        found.append(curve)
    return found


def matters(knob: Knob, scenario: Scenario) -> bool:
    """Whether the step needs anything of it."""
    if knob in (Knob.HOST, Knob.LATENCY):
        return True
    return any(scenario.costs.uses(resource) for resource in knob.resources)


def leading_classes(settings: Sequence[Setting]) -> list[BottleneckClass]:
    """The bottleneck in each setting."""
    by_setting = class_shares(shares_at([(each.scenario, each.speeds) for each in settings]))
    return [max(shares, key=lambda klass: shares[klass]) for shares in by_setting]


def _points(turned: Sequence[Setting], wall_ms: float) -> list[list[CurvePoint]]:
    """Of each knob its points at `SPEEDS`, and one more where it is infinitely fast."""
    speeds = (*SPEEDS, float("inf"))
    periods = _periods_us([each.at(speed) for each in turned for speed in speeds])
    found = []
    for of_knob in periods.reshape(-1, len(speeds), 2).tolist():
        base, _ = of_knob[0]
        points = [
            CurvePoint(speed=speed, ms=wall_ms * (here / base if base > 0 else 1.0), share=share_of(here, faster))
            for speed, (here, faster) in zip(speeds, of_knob, strict=True)
        ]
        found.append(points)
    return found


def _periods_us(settings: Sequence[Setting]) -> Floats:
    """The period in each setting, and with its knob a small step faster than there: shape (len(settings), 2)."""
    asked = [at for each in settings for at in (each, each.at(each.speed * STEP))]
    return np.reshape(scenario_periods_us([(at.scenario, at.speeds) for at in asked]), (-1, 2))


def _takes_over(knob: Knob, now: BottleneckClass, scenarios: Sequence[Scenario]) -> tuple[Crossing | None, str]:
    """Where another class becomes the bottleneck, or why nowhere. `now` is the bottleneck as measured."""
    own = knob.bottleneck_class
    if now is not own:
        return None, f"{now} is the bottleneck already"
    turned = [Setting(scenario, knob) for scenario in scenarios]
    found = _first(_led_by_another, turned)
    if found[0] is None:
        return None, f"{own} is still the bottleneck at {FASTEST:.0f}x"
    known = [speed for speed in found if speed is not None]
    crossing = Crossing(
        speed=found[0],
        low=min(known),
        high=max(known) if len(known) == len(found) else None,
        class_=leading_classes([turned[0].at(found[0])])[0],
    )
    return crossing, ""


def _led_by_another(settings: Sequence[Setting]) -> list[bool]:
    leaders = leading_classes(settings)
    return [leader is not each.knob.bottleneck_class for leader, each in zip(leaders, settings, strict=True)]


def _hardly_helps(settings: Sequence[Setting]) -> list[bool]:
    return [share_of(here, faster) < WORTH_IT for here, faster in _periods_us(settings).tolist()]


def _first(crossed: _Crossed, turned: Sequence[Setting]) -> list[float | None]:
    """The lowest speed of each, 1 to `FASTEST`, from which on `crossed` holds; None where it never does."""
    ends = crossed([each.at(speed) for each in turned for speed in (1.0, FASTEST)])
    at_once, at_last = np.array(ends, np.bool_).reshape(-1, 2).T
    found: list[float | None] = [1.0 if now else None for now in at_once]
    between = np.flatnonzero(~at_once & at_last).tolist()
    for number, speed in zip(between, _crossings(crossed, [turned[number] for number in between]), strict=True):
        found[number] = speed
    return found


def _crossings(crossed: _Crossed, turned: Sequence[Setting]) -> list[float]:
    """The speeds from which on `crossed` holds, of settings where it does at `FASTEST` and not at 1.

    A round divides what is left of each, and keeps the part that begins with the last speed at which it does not hold.
    """
    every = np.arange(len(turned))
    low, high = np.ones(len(turned)), np.full(len(turned), FASTEST)
    while (high / low > _PRECISION).any():
        speeds = np.geomspace(low, high, _PARTS + 1, axis=1)
        inside = speeds[:, 1:-1]
        asked = [each.at(speed) for each, row in zip(turned, inside.tolist(), strict=True) for speed in row]
        holds = np.reshape(crossed(asked), inside.shape)
        part = np.max(~holds * np.arange(1, _PARTS), axis=1)
        low, high = speeds[every, part], speeds[every, part + 1]
    return high.tolist()
