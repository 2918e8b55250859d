"""The client watches itself: a client that is slow makes a server look slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from profiler.endpoint.exchange import Exchange, ended_well
from profiler.report.endpoint import ClientHealth
from profiler.report.source import Source, Sources
from profiler.serving.spread import percentiles

_PERIOD_S = 0.01
# One thread does all the work, so 1 is all that it can have. Python's own collection and the kernel take their part.
_BUSY_RATIO = 0.9
# What a client that comes late on average may add to the mean latency before it is told, beyond the grain of timers:
# asyncio rounds what it waits for up to whole milliseconds.
_LATE_RATIO, _GRAIN_MS = 0.05, 2.0


@dataclass(slots=True)
class Watch:
    """Samples how late the event loop comes, every 10 ms, and the CPU time of the process, while `run` runs."""

    now_ns: Callable[[], int] = time.monotonic_ns
    cpu_s: Callable[[], float] = time.process_time
    lag_ns: list[int] = field(default_factory=list)
    wall_ns: int = 0
    used_s: float = 0.0

    async def run(self) -> None:
        """Until it is cancelled."""
        begin_ns, begin_s, woken_ns = self.now_ns(), self.cpu_s(), self.now_ns()
        while True:
            await asyncio.sleep(_PERIOD_S)
            now = self.now_ns()
            self.lag_ns.append(max(now - woken_ns - round(_PERIOD_S * 1e9), 0))
            woken_ns = now
            self.wall_ns, self.used_s = now - begin_ns, self.cpu_s() - begin_s

    @property
    def cpu_ratio(self) -> float:
        """CPU time over wall time."""
        return self.used_s / (self.wall_ns / 1e9) if self.wall_ns else 0.0


def client_health(
    lag_ns: Sequence[int], cpu_ratio: float, exchanges: Sequence[Exchange], *, capped: bool
) -> ClientHealth:
    """Whether the client was the bottleneck. Requests wait by design where the number at once is `capped`."""
    well = ended_well(exchanges)
    lags = percentiles(np.array(lag_ns, np.int64))
    delays = percentiles(np.array([each.began_ns - each.due_ns for each in exchanges], np.int64))
    mean_ms = float(np.mean([each.e2e_ns for each in well])) / 1e6 if well else None
    reasons = []
    if cpu_ratio > _BUSY_RATIO:
        reasons.append(f"the client used {100 * cpu_ratio:.0f}% of a CPU, and has one thread")
    if mean_ms is not None and lags is not None and lags.mean > _GRAIN_MS + _LATE_RATIO * mean_ms:
        reasons.append(f"its event loop came {lags.mean:.3g} ms late on average, a request took {mean_ms:.3g} ms")
    late = delays is not None and not capped and mean_ms is not None and delays.mean > _GRAIN_MS + _LATE_RATIO * mean_ms
    if late and delays is not None:
        reasons.append(f"requests left {delays.mean:.3g} ms late on average, and took {mean_ms:.3g} ms")
    sources: Sources = {}
    if lags is None:
        sources["loop_lag_ms"] = Source(missing="the load was over before the first sample")
    if delays is None:
        sources["send_delay_ms"] = Source(missing="no request ended")
    return ClientHealth(
        loop_lag_ms=lags,
        cpu_ratio=cpu_ratio,
        send_delay_ms=delays,
        limited=bool(reasons),
        reasons=reasons,
        sources=sources,
    )
