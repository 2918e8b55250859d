"""Two recordings of one phase as one: bytes from the one that samples finely, how busy units were from the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from profiler.attribute.counted import Counted, CountedKernel, Estimate, Series
from profiler.measure.counters.source import Counter


def with_units(traffic: Counted, units: Counted) -> Counted:
    """`traffic` with all that it lacks and `units` has, kernel by kernel.

    The recordings are of different iterations, so a kernel is the same one where name and grid are and its duration is
    near. One that only `traffic` saw stays without.
    """
    return replace(
        traffic,
        kernels=[replace(kernel, each=_added(kernel.each, _of(units, kernel))) for kernel in traffic.kernels],
        whole={**units.whole, **traffic.whole},
        series=_merged(traffic.series, units.series),
        unit_sample_us=units.sample_us,
    )


def _of(units: Counted, kernel: CountedKernel) -> Mapping[Counter, Estimate]:
    found = units.find(*kernel.key, kernel.us)
    return {} if found is None else found.each


def _added(own: Mapping[Counter, Estimate], other: Mapping[Counter, Estimate]) -> dict[Counter, Estimate]:
    return {**other, **own}


def _merged(traffic: Series, units: Series) -> Series:
    """The units' rates at the traffic's samples: that of the sample of the other iteration which runs then."""
    if not units.start_us:
        return traffic
    at = np.searchsorted(units.start_us, traffic.start_us, side="right") - 1
    rows = np.clip(at, 0, len(units.start_us) - 1).tolist()
    moved = {counter: [column[row] for row in rows] for counter, column in units.rates.items()}
    return Series(traffic.start_us, {**moved, **traffic.rates})
