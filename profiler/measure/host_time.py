"""How long the host needs to launch an iteration when it waits for nothing: a trace, which slows it, cannot tell."""

from __future__ import annotations

from statistics import median

from profiler.clock import Clock
from profiler.device.base import Device
from profiler.measure.cycle import Cycle
from profiler.measure.pace import HostPace, Pacer, is_plausible
from profiler.measure.plan import Plan
from profiler.workload.phase import RunnablePhase


def measure_host_ms(
    phase: RunnablePhase, device: Device, clock: Clock, plan: Plan, pace: HostPace | None = None
) -> float | None:
    """Median milliseconds of `phase.launch`, each on an idle device; None where the phase cannot be split so.

    With a `pace`, at the host's full speed, unless its reference cannot be that of this host.

    The time is the host's own as long as the device takes the launches as fast as they come: its queue is long, but
    not endless, so of a step of very many kernels that outlast their launches this is an upper limit.
    """
    launch = phase.launch
    if launch is None:
        return None
    cycle = Cycle(phase, device)
    samples_ms: list[float] = []
    slowdown: list[float] = []
    for _ in range(plan.host_iterations):
        cycle.prepare()
        pacer = None if pace is None else Pacer(pace, device, clock)
        if pacer is not None:
            pacer.before(0)
        begin = clock()
        launch()
        samples_ms.append((clock() - begin) / 1e6)
        device.synchronize()
        if pacer is not None:
            slowdown += pacer.slowdowns(1)
    if slowdown and is_plausible(median(slowdown)):
        return median(time / slow for time, slow in zip(samples_ms, slowdown, strict=True))
    return median(samples_ms)
