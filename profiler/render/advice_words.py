"""What a report advises, in sentences: what gains most for the request comes first."""

from __future__ import annotations

from collections.abc import Mapping

from profiler.render.numbers import duration, interval, times
from profiler.render.words import sentence
from profiler.report.records import Advice


def ranked(advice: list[Advice], fractions: Mapping[str, float]) -> list[Advice]:
    """The largest gain of a request first; `fractions` is how much of one each phase takes."""
    return sorted(advice, key=lambda item: -(request_speedup(item, fractions) or item.speedup or 0.0))


def advice_words(item: Advice, fractions: Mapping[str, float], *, with_reason: bool = True) -> str:
    """What to do, what that is predicted to bring, and why."""
    gain = []
    if item.speedup is not None:
        spread = interval(item.low, item.high, times)
        gain.append(f"{item.phase} {times(item.speedup)} faster{f' ({spread})' if spread else ''}")
    if item.predicted_ms is not None:
        gain.append(f"{item.phase} in {duration(item.predicted_ms)}" if not gain else duration(item.predicted_ms))
    of_request = request_speedup(item, fractions)
    if of_request is not None:
        gain.append(f"the request {times(of_request)}")
    predicted = f"Predicted: {', '.join(gain)}." if gain else "No gain could be predicted."
    reason = f" {sentence(item.why)}" if with_reason else ""
    return f"{item.phase}: {item.action.rstrip('.')}. {predicted}{reason}"


def request_speedup(item: Advice, fractions: Mapping[str, float]) -> float | None:
    """Amdahl: the phase is only its fraction of the request."""
    fraction = fractions.get(item.phase)
    if item.speedup is None or item.speedup <= 0 or fraction is None:
        return None
    return 1 / (1 - fraction + fraction / item.speedup)
