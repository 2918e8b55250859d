"""How long the host needs to launch an iteration when it waits for nothing: a trace, which slows it, cannot tell."""

from __future__ import annotations

from statistics import median

from profiler.device.base import Device
from profiler.measure.clean import Clock
from profiler.measure.cycle import Cycle
from profiler.measure.plan import Plan
from profiler.workload.phase import RunnablePhase


def measure_host_ms(phase: RunnablePhase, device: Device, clock: Clock, plan: Plan) -> float | None:
    """Median milliseconds of `phase.launch`, each on an idle device; None where the phase cannot be split so.

    The time is the host's own as long as the device takes the launches as fast as they come: its queue is long, but
    not endless, so of a step of very many kernels that outlast their launches this is an upper limit.
    """
    launch = phase.launch
    if launch is None:
        return None
    cycle = Cycle(phase, device)
    samples_ms = []
    for _ in range(plan.host_iterations):
        cycle.prepare()
        begin = clock()
        launch()
        samples_ms.append((clock() - begin) / 1e6)
        device.synchronize()
    return median(samples_ms)
