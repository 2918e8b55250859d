"""What was asked of a report at other speeds, answered in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.render.document import Statement, Tone
from profiler.render.numbers import duration, interval, times
from profiler.render.words import listed
from profiler.report.whatif import Change, Estimate, Knob, PhasePrediction, WhatIf

KNOBS = {
    Knob.MEMORY: "memory bandwidth",
    Knob.COMPUTE: "compute",
    Knob.HOST: "the host",
    Knob.PCIE: "host-device copies",
    Knob.LATENCY: "fixed cost of kernels",
}
# Differences below this are not called faster or slower.
SAME = 0.005
# More phases than these are counted instead of told one by one.
_MANY_PHASES = 3


def asked_answer(answer: WhatIf) -> Statement:
    """What was asked for, in a sentence."""
    condition = _condition(answer)
    if answer.request is not None:
        return Statement(
            f"{condition}, {_change('the request', answer.request.e2e_ms, answer.request.speedup)}", Tone.ANSWER
        )
    if not answer.phases:
        return nothing(answer)
    if len(answer.phases) > _MANY_PHASES:
        return Statement(f"{condition}, {_many(answer.phases)}", Tone.ANSWER)
    told = [_change(phase.name, phase.time_ms, phase.speedup) for phase in answer.phases]
    return Statement(f"{condition}, {' '.join(told)}", Tone.ANSWER)


def _many(phases: Sequence[PhasePrediction]) -> str:
    """How many phases would be faster, and how many slower."""
    ways = [way for phase in phases if (way := _way(phase.speedup)) is not None]
    counted = [f"{ways.count(way)} {way}" for way in ("faster", "slower") if way in ways]
    if len(ways) < len(phases):
        counted.append(f"{len(phases) - len(ways)} as long as now, within what is known")
    return f"{len(phases)} phases: {listed(counted)}; see the table."


def nothing(answer: WhatIf) -> Statement:
    """That nothing is predicted; of one phase alone, that it is not."""
    asked = [left_out.name for left_out in answer.not_predicted if left_out.name != "request"]
    what = f"{asked[0]} cannot" if len(asked) == 1 else "No phase of this report can"
    return Statement(f"{what} be predicted.", Tone.REFUSED)


def _condition(answer: WhatIf) -> str:
    own = [change for change in answer.speeds if change.tier is None]
    knobs = [
        f"{KNOBS[knob]} at {factor(change.factor)}"
        for knob in Knob
        for change in own
        if change.resource is knob.resources[0]
    ]
    if answer.other_device is None:
        return f"With {listed(knobs)}"
    return f"On {answer.other_device}{f' with {listed(knobs)}' if knobs else ''}"


def _change(subject: str, change: Change, speedup: Estimate) -> str:
    now, then = duration(change.measured.value), duration(change.predicted.value)
    if abs(speedup.value - 1) < SAME:
        return f"{subject} would take {then}, as long as now."
    if _way(speedup) is None:
        spread = interval(speedup.low, speedup.high, times)
        return f"{subject} would take {then} instead of {now}: as long as now, within what is known (speedup {spread})."
    return f"{subject} would take {then} instead of {now}: {_faster(speedup)}."


def _way(speedup: Estimate) -> str | None:
    """Faster or slower; None where it may be either, as the interval holds 1."""
    low, high = (speedup.value if end is None else end for end in (speedup.low, speedup.high))
    if abs(speedup.value - 1) < SAME or low <= 1 <= high:
        return None
    return "faster" if speedup.value > 1 else "slower"


def _faster(speedup: Estimate) -> str:
    """`1.32x faster (1.28–1.35x)`; with the way of a slowdown turned round."""
    low, high = speedup.low or speedup.value, speedup.high or speedup.value
    if speedup.value >= 1:
        return f"{times(speedup.value)} faster ({interval(low, high, times)})"
    return f"{times(1 / speedup.value)} slower ({interval(1 / high, 1 / low, times)})"


def factor(speed: float) -> str:
    """As it would be typed: 1.408x and 2x."""
    return f"{speed:.3g}x" if speed != round(speed, 3) else f"{speed:g}x"
