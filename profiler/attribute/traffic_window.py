"""When within a kernel's time its traffic runs: not at once after its start, and not up to its end.

On an H100 a matrix product begins to read 2.0 to 2.4 us after the start that a trace gives it, at full rate at once,
and the last bytes arrive 0.9 to 2.1 us before its end. Spread evenly from start to end, its traffic would seem to
reach into its neighbours, and a kernel of 14 us would be 7% off. So both edges are fitted, first for all kernels
alike, then for each one that is long enough to show its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from msgspec import Struct

from profiler.attribute.counter_clock import Floats, cumulated
from profiler.attribute.regression import solve
from profiler.trace.timeline import Ints

_LONGEST_NS = 5000.0  # an edge: what is farther from a kernel is that of another
_EARLIEST_NS = -1000.0  # a tail may last into the gap after the kernel: write-back, and the clocks' own error
_MOST_OF_A_KERNEL = 0.4  # of its time, for either edge: a kernel shorter than both has its traffic in the middle
_OWN_EDGES_FROM_NS = 4000.0  # shorter kernels keep those of all, and so do those that matter less
_OWN_EDGES_FROM_PART = 0.005  # of all kernels' time
_STEPS_NS = (800.0, 400.0, 200.0, 100.0)  # from most of an edge down to what is told of it
EDGE_ERROR_NS = _STEPS_NS[-1]
_ROUNDS = 3  # over all kernels
_LEAST_GAIN = 1e-4  # of the squared misfit
_WAYS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1))


class Runs(Struct, frozen=True):
    """Every run of every kernel, in ns after an anchor: columns of shape (n,), `group` the kernel's number."""

    start: Floats
    end: Floats
    group: Ints
    kernels: int

    def of(self, kernel: int) -> Runs:
        """The runs of one kernel."""
        mine = self.group == kernel
        return Runs(self.start[mine], self.end[mine], self.group[mine], self.kernels)

    def within(self, at: Floats, lead_ns: float, tail_ns: float) -> Floats:
        """How many runs' traffic lies between each two of `at`, if it lasts from `lead_ns` after a run's start to
        `tail_ns` before its end.
        """
        room = _MOST_OF_A_KERNEL * (self.end - self.start)
        first, last = self.start + np.minimum(lead_ns, room), self.end - np.minimum(tail_ns, room)
        return np.diff(cumulated(first, last, np.ones(len(first)), at))


class _Fit(Struct):
    """A least-squares problem whose columns are exchanged one by one."""

    design: Floats
    amounts: Floats
    square: float  # of the amounts
    gram: Floats
    product: Floats
    values: Floats
    misfit: float

    @classmethod
    def of(cls, design: Floats, amounts: Floats) -> _Fit:
        gram, product = design.T @ design, design.T @ amounts
        values, square = solve(gram, product), float(amounts @ amounts)
        return cls(design, amounts, square, gram, product, values, _misfit(gram, product, values, square))

    def offer(self, index: int, column: Floats) -> bool:
        """Take this column instead, if the misfit falls by enough."""
        gram, product = self.gram.copy(), self.product.copy()
        # einsum, not @: a product this small is over before the threads of a linear algebra library have met
        row = np.einsum("ij,i->j", self.design, column)
        row[index] = np.einsum("i,i", column, column)
        gram[index], gram[:, index], product[index] = row, row, np.einsum("i,i", column, self.amounts)
        values = solve(gram, product, self.values > 0)
        misfit = _misfit(gram, product, values, self.square)
        if misfit > self.misfit * (1 - _LEAST_GAIN):
            return False
        self.design[:, index] = column
        self.gram, self.product, self.values, self.misfit = gram, product, values, misfit
        return True


def _misfit(gram: Floats, product: Floats, values: Floats, square: float) -> float:
    """The sum of the squares of what the values miss."""
    return float(square - 2 * product @ values + values @ gram @ values)


def traffic_design(
    runs: Runs, idle: Floats, amounts: Floats, at: Floats, inside: Ints
) -> tuple[Floats, list[float], list[float]]:
    """The design of the regression, and the edges of each kernel's traffic (leads and tails in ns).

    Its columns, one a kernel, say how much of its runs' traffic falls into each sample, which are the places `inside`
    of those between each two of `at`; the last is `idle`. The edges are fitted to `amounts`, the samples' bytes.
    """

    def column(kernel: Runs, lead: float, tail: float) -> Floats:
        return kernel.within(at, lead, tail)[inside]

    each = [runs.of(kernel) for kernel in range(runs.kernels)]

    def common(lead: float, tail: float) -> Floats:
        return np.column_stack([*(column(kernel, lead, tail) for kernel in each), idle])

    lead = tail = 0.0
    fit = _Fit.of(common(lead, tail), amounts)

    def together(new_lead: float, new_tail: float) -> bool:
        nonlocal fit
        other = _Fit.of(common(new_lead, new_tail), amounts)
        if other.misfit > fit.misfit * (1 - _LEAST_GAIN):
            return False
        fit = other
        return True

    lead, tail = _climb(lead, tail, together, _STEPS_NS)
    leads, tails = [lead] * runs.kernels, [tail] * runs.kernels
    spent = np.array([float((kernel.end - kernel.start).sum()) for kernel in each])
    worth = spent >= _OWN_EDGES_FROM_PART * spent.sum()
    long = [index for index in np.argsort(-spent).tolist() if worth[index] and _is_long(each[index])]
    for index in long * _ROUNDS:  # each one's edges depend on its neighbours'
        leads[index], tails[index] = _climb(
            leads[index],
            tails[index],
            lambda a, b, index=index: fit.offer(index, column(each[index], a, b)),  # type: ignore[misc]
            _STEPS_NS[1:],
        )
    return fit.design, leads, tails


def _is_long(runs: Runs) -> bool:
    return len(runs.start) > 0 and float(np.median(runs.end - runs.start)) >= _OWN_EDGES_FROM_NS


def _climb(
    lead: float, tail: float, is_better: Callable[[float, float], bool], steps: Iterable[float]
) -> tuple[float, float]:
    """Move both edges while that is better, in ever smaller steps."""
    for step in steps:
        moved = True
        while moved:
            moved = False
            for by_lead, by_tail in _WAYS:
                new_lead, new_tail = lead + by_lead * step, tail + by_tail * step
                allowed = 0 <= new_lead <= _LONGEST_NS and _EARLIEST_NS <= new_tail <= _LONGEST_NS
                if allowed and is_better(new_lead, new_tail):
                    lead, tail, moved = new_lead, new_tail, True
    return lead, tail
