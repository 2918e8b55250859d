"""Bringing counter samples onto the clock of a trace, by markers: copies of known size in an irregular rhythm.

The two clocks have epochs of their own and may drift apart, so nothing is assumed of either: the samples lie where the
bytes that they counted match those of the markers' copies best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from profiler.trace.timeline import Ints

Floats = NDArray[np.float64]

# A marker whose bytes are missed by more than this part (root mean square) has not been found.
WORST_MISFIT = 0.25
_STEPS_PER_SAMPLE = 4  # of the search over all times
_FINEST_NS = 20.0  # of the search around what it found: under a hundredth of a short kernel


class Bursts(Struct, frozen=True):
    """A marker: activities of known traffic, in the order of time, on the trace's clock. Columns of shape (n,)."""

    start_ns: Ints
    end_ns: Ints
    bytes: Floats


class CounterClock(Struct, frozen=True):
    """Where samples lie in the trace. `origin_ns` is the first sample's, `anchor_ns` the first marker's in the trace.

    `drift` is how much faster than the trace's the samples' clock runs. `misfit` is what the worst marker's samples
    miss of its bytes: root mean square, as a part of that of the bytes.
    """

    origin_ns: int
    anchor_ns: int
    shift_ns: float
    drift: float
    misfit: float

    def since_anchor_ns(self, sample_ns: Ints) -> Floats:
        """Times of samples as times of the trace, less `anchor_ns`: floats of whole epochs are only good to 250 ns."""
        return ((sample_ns - self.origin_ns).astype(np.float64) - self.shift_ns) / (1 + self.drift)


def find_clock(start_ns: Ints, end_ns: Ints, counted: Floats, markers: Sequence[Bursts]) -> CounterClock | None:
    """The clock of samples `[start_ns, end_ns)` that counted `counted` bytes each; None where a marker is not found.

    All markers together are first slid over the samples in steps of a part of one; then each is placed by itself,
    which gives the drift. Least squares, since a marker is not only a rhythm but a number of bytes.
    """
    if len(start_ns) < 2 or not markers:
        return None
    origin, anchor = int(start_ns[0]), int(markers[0].start_ns[0])
    edges = np.append(start_ns, end_ns[-1]).astype(np.float64) - origin
    placed = [_Marker.of(marker, anchor) for marker in markers]
    step = float(np.median(np.diff(edges))) / _STEPS_PER_SAMPLE
    if not step > 0.0:
        return None  # samples without times
    coarse = _slide(edges, counted, placed, step)
    if coarse is None:
        return None
    found = [_place(edges, counted, marker, coarse, 2 * step) for marker in placed]  # drift moves the later ones
    misfit = max(misfit for _, misfit in found)
    if misfit > WORST_MISFIT:
        return None
    apart = placed[-1].start[0] - placed[0].start[0]
    drift = (found[-1][0] - found[0][0]) / apart if apart > 0 else 0.0
    return CounterClock(origin, anchor, found[0][0], float(drift), misfit)


def cumulated(start: Floats, end: Floats, amount: Floats, at: Floats) -> Floats:
    """How much of `amount`, spread evenly over each interval, lies before each of `at`. Intervals may overlap."""
    if len(start) == 0:
        return np.zeros_like(at)
    end = np.maximum(end, start + 1e-3)
    rate = amount / (end - start)
    turns = np.concatenate([start, end])
    order = np.argsort(turns, kind="stable")
    turns, rates = turns[order], np.cumsum(np.concatenate([rate, -rate])[order])
    reached = np.concatenate([[0.0], np.cumsum(rates[:-1] * np.diff(turns))])
    return np.asarray(np.interp(at, turns, reached), np.float64)


class _Marker(Struct, frozen=True):
    """A marker in ns after the anchor."""

    start: Floats
    end: Floats
    bytes: Floats

    @classmethod
    def of(cls, bursts: Bursts, anchor_ns: int) -> _Marker:
        return cls(
            (bursts.start_ns - anchor_ns).astype(np.float64),
            (bursts.end_ns - anchor_ns).astype(np.float64),
            np.asarray(bursts.bytes, np.float64),
        )

    def expected(self, edges: Floats) -> Floats:
        """Its bytes between each two edges."""
        return np.asarray(np.diff(cumulated(self.start, self.end, self.bytes, edges)), np.float64)


def _slide(edges: Floats, counted: Floats, markers: Sequence[_Marker], step: float) -> float | None:
    """The shift, on a grid of `step`, at which the samples match the markers best; None where they cannot lie within.

    The squared difference over the markers' windows, for all shifts at once: sums of products are correlations.
    """
    grid = np.arange(0.0, edges[-1] + step, step)
    rate = np.diff(np.interp(grid, edges, np.concatenate([[0.0], np.cumsum(counted)])))
    length = markers[-1].end[-1]
    own = np.arange(0.0, length + step, step)
    if len(own) > len(grid):
        return None
    expected = np.sum([marker.expected(own) for marker in markers], axis=0)
    window = np.zeros_like(expected)
    for marker in markers:
        window[int(marker.start[0] / step) : int(marker.end[-1] / step) + 1] = 1.0
    squares = _correlated(rate**2, window) - 2 * _correlated(rate, expected)
    shifts = len(rate) - len(expected) + 1
    return float(np.argmin(squares[:shifts]) * step)


def _correlated(signal: Floats, pattern: Floats) -> Floats:
    """The sum of products with the pattern moved by 0, 1, ... places."""
    size = 1 << (len(signal) + len(pattern)).bit_length()
    product = np.fft.rfft(signal, size) * np.conj(np.fft.rfft(pattern, size))
    return np.asarray(np.fft.irfft(product, size), np.float64)


def _place(edges: Floats, counted: Floats, marker: _Marker, near: float, reach: float) -> tuple[float, float]:
    """The shift within `reach` of `near` at which one marker fits best, and its misfit there.

    Two rounds, each 41 places in the span of the last one's neighbours.
    """
    first = max(0, int(np.searchsorted(edges, marker.start[0] + near - 2 * reach)) - 1)
    last = int(np.searchsorted(edges, marker.end[-1] + near + 2 * reach)) + 1
    inside, seen = edges[first : last + 1], counted[first:last]
    inside = inside[: len(seen) + 1]
    best = near
    while reach > _FINEST_NS / 2:
        places = best + np.linspace(-reach, reach, 41)
        misfits = [float(np.sum((seen - marker.expected(inside - place)) ** 2)) for place in places]
        best = float(places[int(np.argmin(misfits))])
        reach /= 10
    missed = seen - marker.expected(inside - best)
    return best, float(np.sqrt(np.sum(missed**2) / max(float(np.sum(seen**2)), 1.0)))
