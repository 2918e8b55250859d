"""From samples to series: what holds of the phase itself, and nothing of what ran around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from statistics import median

from msgspec.structs import replace

from profiler.measure.telemetry.source import Kind, Quantity, Recording, Sample
from profiler.report.telemetry import Series

Span = tuple[int, int]
"""Begin and end in ns on CLOCK_MONOTONIC."""

# A window counts for the phase if it held, for at most this share of its time, something else (a reset, the end).
FOREIGN_RATIO = 0.05
MOST_VALUES = 400  # kept of a series: as many as a picture of it can show


def summarize(
    recording: Recording, quantities: Mapping[str, Sequence[Quantity]], spans: Sequence[Span]
) -> list[Series]:
    """One series for each quantity, whether it could be read or not.

    `quantities` are those of each source; where two sources read one quantity, the first that could is believed.
    `spans` are the times in which the phase ran, sorted and disjoint. Windows outside them are dropped.
    `low`..`high` holds the middle 90% of the samples, `peak` is the largest.
    """
    series: dict[str, Series] = {}
    for source, members in quantities.items():
        for quantity in members:
            found = _series(recording, source, quantity, spans)
            known = series.get(quantity.name)
            if known is None or (known.value is None and found.value is not None):
                series[quantity.name] = found
    return list(series.values())


def coverage(start_ns: int, end_ns: int, spans: Sequence[Span]) -> float:
    """How much of the window lies within the spans, 0 to 1; for a moment, whether it does."""
    if start_ns == end_ns:
        return float(any(begin <= start_ns <= end for begin, end in spans))
    inside = sum(max(0, min(end_ns, end) - max(start_ns, begin)) for begin, end in spans)
    return inside / (end_ns - start_ns)


def _series(recording: Recording, source: str, quantity: Quantity, spans: Sequence[Span]) -> Series:
    refused = recording.failure or recording.refused.get(source, {}).get(quantity.name)
    if refused:
        return _missing(quantity, refused)
    samples = [sample for sample in recording.samples if sample.source == source and quantity.name in sample.values]
    if quantity.kind is Kind.COUNTER:
        return _increase(quantity, samples, spans)
    inside = [s for s in samples if coverage(s.start_ns, s.end_ns, spans) >= 1 - FOREIGN_RATIO]
    if not inside:
        return _missing(quantity, _why_none(samples, spans))
    values = [sample.values[quantity.name] for sample in inside]
    if quantity.kind is Kind.BITS:
        seen = reduce(lambda bits, value: bits | int(value), values, 0)
        series = _present(quantity, float(seen), inside, None, None, None)
    else:
        ends = _quantile(values, 0.05), _quantile(values, 0.95), max(values)
        series = _present(quantity, median(values), inside, *ends)
    kept = inside[:: -(-len(inside) // MOST_VALUES)]
    return replace(
        series,
        at_ms=[round(((sample.start_ns + sample.end_ns) / 2 - spans[0][0]) / 1e6, 3) for sample in kept],
        values=[sample.values[quantity.name] for sample in kept],
    )


def _increase(quantity: Quantity, samples: list[Sample], spans: Sequence[Span]) -> Series:
    """The mean rate between readings while the phase ran, times all the time that it ran.

    Only neighbouring readings that no reset separates are used, so a reset's energy is not the phase's.
    """
    steps = [
        (after.values[quantity.name] - before.values[quantity.name], after.end_ns - before.end_ns)
        for before, after in pairwise(samples)
        if coverage(before.end_ns, after.end_ns, spans) >= 1 - FOREIGN_RATIO
    ]
    observed_ns = sum(ns for _, ns in steps)
    if not observed_ns:
        return _missing(quantity, _why_none(samples, spans))
    running_ns = sum(end - begin for begin, end in spans)
    total = sum(increase for increase, _ in steps) * running_ns / observed_ns
    window_ms = observed_ns / 1e6
    return Series(
        name=quantity.name,
        unit=quantity.unit,
        tier=quantity.tier,
        value=total,
        low=None,
        high=None,
        samples=len(steps) + 1,
        window_ms=window_ms,
        note=f"read over {window_ms / 1000:.2f} s, scaled to the {running_ns / 1e9:.2f} s that the phase ran",
    )


def _present(
    quantity: Quantity, value: float, samples: list[Sample], low: float | None, high: float | None, peak: float | None
) -> Series:
    window_ns = median(sample.end_ns - sample.start_ns for sample in samples)
    return Series(
        name=quantity.name,
        unit=quantity.unit,
        tier=quantity.tier,
        value=value,
        low=low,
        high=high,
        samples=len(samples),
        window_ms=window_ns / 1e6 if window_ns else None,
        peak=peak,
        note=quantity.note,
    )


def _missing(quantity: Quantity, reason: str) -> Series:
    return Series(
        name=quantity.name,
        unit=quantity.unit,
        tier=quantity.tier,
        value=None,
        low=None,
        high=None,
        samples=0,
        window_ms=None,
        missing=reason,
    )


def _why_none(samples: list[Sample], spans: Sequence[Span]) -> str:
    if not samples:
        return "the phase ended before the first sample"
    best = max(coverage(sample.start_ns, sample.end_ns, spans) for sample in samples)
    if best == 0:
        return "no sample fell into the time in which the phase ran"
    return f"resets between iterations took at least {1 - best:.0%} of every window"


def _quantile(values: list[float], fraction: float) -> float:
    """Linear between the sorted values (type 7 of Hyndman and Fan)."""
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
