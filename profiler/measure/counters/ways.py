"""The ways to ask CUPTI for each group of counters, best first.

Not every way that a device accepts gives samples on it, so each is tried before it is relied on. What is known is of
an H100 with CUPTI 13.4:

- DRAM alone: 10 to 15 us to decode a sample. Nothing was lost in minutes of sampling every 20 us.
- The set `TriageCompute`, CUPTI's own for this purpose: it records 131 metrics, whichever are asked for, and takes 46
  us to decode a sample. A buffer of 512 MiB ran over when some 17,000 samples waited.
- All six counters without a set: the device accepts them, and on one attempt gave samples without times.
"""

from __future__ import annotations

from dataclasses import dataclass

from profiler.measure.counters.source import Counter, CounterGroup

# What is asked of the device at once (one pass of its counters): CUPTI's name, and its factor to our unit. Only
# `..._realtime` counters can be had together with the rest.
Metrics = dict[Counter, tuple[str, float]]
_PERCENT = 0.01
_DRAM: Metrics = {
    Counter.DRAM_READ: ("dram__bytes_read.sum", 1.0),
    Counter.DRAM_WRITE: ("dram__bytes_write.sum", 1.0),
}
_SM: Metrics = {
    Counter.TENSOR_ACTIVE: ("sm__pipe_tensor_cycles_active_realtime.avg.pct_of_peak_sustained_elapsed", _PERCENT),
    Counter.ISSUE_ACTIVE: ("sm__inst_executed_realtime.avg.pct_of_peak_sustained_elapsed", _PERCENT),
}
_PCIE: Metrics = {
    Counter.PCIE_READ: ("pcie__read_bytes.sum", 1.0),
    Counter.PCIE_WRITE: ("pcie__write_bytes.sum", 1.0),
}


@dataclass(frozen=True, slots=True)
class Way:
    """What is asked for, in which named set of CUPTI's, and how many times as long as wished a sample must be.

    `keeps_up` says whether decoding does, so that samples are taken out while more are made. Else they wait in the
    buffer: each decoding would chase the samples that are made meanwhile.
    """

    metrics: Metrics
    set_name: str | None
    interval_factor: float
    keeps_up: bool

    def wished_ns(self, interval_ns: int) -> float:
        """How long a sample should be where `interval_ns` is wished."""
        return interval_ns * self.interval_factor

    def described(self, interval_ns: int) -> str:
        """In a few words."""
        which = f"the set {self.set_name}" if self.set_name else f"{len(self.metrics)} metrics"
        return f"{which} every {self.wished_ns(interval_ns) / 1e3:g} us"


WAYS: dict[CounterGroup, tuple[Way, ...]] = {
    CounterGroup.TRAFFIC: (
        Way(_DRAM, None, 1.0, keeps_up=True),
        Way(_DRAM, "TriageCompute", 2.5, keeps_up=False),
    ),
    CounterGroup.UNITS: (
        Way({**_DRAM, **_SM, **_PCIE}, "TriageCompute", 2.5, keeps_up=False),
        Way({**_DRAM, **_SM, **_PCIE}, None, 2.5, keeps_up=False),
        Way({**_DRAM, **_SM}, None, 2.5, keeps_up=False),
    ),
}
