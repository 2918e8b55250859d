"""Bring a traced step to the speed of a run that nobody traced.

Tracing slows the host, by the cost of a record for each operation and call, far more than it slows the device. So the
clean pass says how long a step takes, and the trace says in which proportion. Where the device is the one that is
waited for, its kernels are brought to the clean time; where the host is, its work is.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from profiler.attribute.replay import ActivityCosts, Calibration, replay
from profiler.trace.graph import DependencyGraph

# Traced kernels were seen to run 1 to 2% longer than untraced ones; and a GPU that tracing leaves idle in between runs
# at higher clocks: a prefill of 2048 tokens was 6% faster traced, kernel for kernel. Beyond this band it is neither.
PLAUSIBLE_KERNEL_SCALE = (0.94, 1.08)
# What tracing does to a host that launches, where the clean host time was not measured: an eager decode step of an 8B
# model took 84 ms traced with shapes and 27 to 37 ms untraced.
TYPICAL_HOST_SCALE = 0.4
# Tracing does not make a host faster; two runs of the same work differ by some percent.
PLAUSIBLE_HOST_SCALE = 1.1
# How far the host of two runs differs at least, where the clean times do not show it: repeats of one eager phase on the
# virtual machines of H100s, under a second each, had a standard deviation of 10 to 15%.
LEAST_HOST_NOISE_RATIO = 0.15
# Half the clean time and twice: beyond, the interval says that nothing is known, not that all is explained.
_MOST_HOST_NOISE_RATIO = 0.5
# The replay must meet the clean time this closely (relative).
_TOLERANCE = 1e-5
_SCALE_LIMIT = 64.0


class Calibrated(Struct, frozen=True):
    """The scales; whether the host's was measured; whether they are in the range that tracing and noise explain.

    `agreement` is 1 where they are, else by how much they leave it: the shorter over the longer of the clean and the
    traced time, or of the nearest plausible scale and the one it took. `host_off_ratio` is the host's scale over that
    of the host alone where the host had to leave its measured time by more than two runs differ, else None.
    """

    calibration: Calibration
    host_known: bool
    plausible: bool
    agreement: float = 1.0
    host_off_ratio: float | None = None


def host_noise_ratio(wall_ms: float, low_ms: float | None, high_ms: float | None) -> float:
    """How far, relatively, the host may run faster or slower in the clean pass than when it was timed alone.

    Both are runs of the same work. `low_ms`..`high_ms` is where the next run's median is expected; it holds the host's
    noise where the host holds the step back, and says nothing of it elsewhere: so a floor.
    """
    if low_ms is None or high_ms is None or wall_ms <= 0:
        return LEAST_HOST_NOISE_RATIO
    half_width = (high_ms - low_ms) / 2 / wall_ms
    return min(max(half_width, LEAST_HOST_NOISE_RATIO), _MOST_HOST_NOISE_RATIO)


def calibrate(
    graph: DependencyGraph,
    costs: ActivityCosts,
    clean_wall_us: float,
    clean_host_us: float | None = None,
    noise_ratio: float | None = None,
) -> Calibrated:
    """Scales for which the replay takes `clean_wall_us`.

    `clean_host_us`, where it was measured, is the time that the host needs to launch a step when it waits for nothing.
    It settles whether a step that either could hold back is held back by the host. What then differs is explained by
    the gaps between kernels, which tracing only widens, then by the kernels as far as tracing explains it, then by
    calls to the driver that tracing slowed by more than the work between them (it records every kernel of a graph in
    the one call that launches it), else by the host, where its time is a guess also together with the kernels, else by
    all having run at another speed: on a CPU, tracing slows them alike; elsewhere the two runs were not alike
    (`plausible` is false).

    `noise_ratio` (see `host_noise_ratio`) is how far a measured host may be off; None where `clean_host_us` is itself
    an assumption, which may give way. Where neither that nor the kernels explain the clean time, the runs were not
    alike, and of the two the one that leaves its range the least is scaled.
    """
    # Gaps first: those of a captured decode step were 0.9 ms traced, and 0.2 to 0.4 ms in a process that never traced.
    host_known = clean_host_us is not None and graph.host_us > 0
    working_us = None if clean_host_us is None else max(clean_host_us - sum(graph.input_us), 0.0)
    host_scale = working_us / graph.host_us if working_us is not None and host_known else TYPICAL_HOST_SCALE
    start = Calibration(host_scale=min(host_scale, _SCALE_LIMIT))

    def meets(found: Calibration) -> bool:
        return abs(replay(graph, costs, found).period_us - clean_wall_us) <= 10 * _TOLERANCE * clean_wall_us

    # A host whose time is a guess is the first to give way, not the gaps.
    def solve(start: Calibration, scale: str, bounds: tuple[float, float]) -> Calibration:
        return _solve(graph, costs, clean_wall_us, lambda value: replace(start, **{scale: value}), bounds)

    gaps = solve(start, "gap_scale", (0.0, 1.0)) if host_known else start
    kernels = solve(gaps, "kernel_scale", PLAUSIBLE_KERNEL_SCALE)
    host_range = (0.0, max(PLAUSIBLE_HOST_SCALE, start.host_scale))
    if host_known and noise_ratio is not None:
        host_range = (start.host_scale * (1 - noise_ratio), start.host_scale * (1 + noise_ratio))
    host = solve(start, "host_scale", host_range)
    for found in (gaps, kernels, host):
        if meets(found):
            return Calibrated(found, host_known, True)
    if not host_known:
        # Kernels that alone take a little longer traced than the whole step untraced, as on a CPU: both give way.
        both = solve(kernels, "host_scale", host_range)
        if meets(both):
            return Calibrated(both, False, True)
    if host_known and noise_ratio is not None:
        calls = _slower_calls(graph, costs, clean_wall_us, start)
        for found in (calls, solve(calls, "kernel_scale", PLAUSIBLE_KERNEL_SCALE)):
            if meets(found):
                return Calibrated(found, True, True)
        anywhere = (0.0, _SCALE_LIMIT)
        kernels = solve(gaps, "kernel_scale", anywhere)
        host = solve(start, "host_scale", anywhere)
        kernels_agree = _agreement(kernels.kernel_scale, PLAUSIBLE_KERNEL_SCALE) if meets(kernels) else 0.0
        host_agrees = _agreement(host.host_scale, host_range) if meets(host) else 0.0
        if host_agrees > kernels_agree:
            return Calibrated(host, True, False, host_agrees, host.host_scale / start.host_scale)
        if kernels_agree > 0:
            return Calibrated(kernels, True, False, kernels_agree)
    as_traced = replay(graph, costs, Calibration()).period_us
    all_alike = clean_wall_us / as_traced if as_traced > 0 else 1.0
    low, high = PLAUSIBLE_KERNEL_SCALE
    plausible = low <= all_alike <= high
    agreement = 1.0 if plausible or all_alike <= 0 else min(all_alike, 1 / all_alike)
    if not host_known and _waits_for_all(graph):
        # A CPU's operations that fill the step, at another moment of a noisy host: there is no room for more of it.
        noisy = (1 - LEAST_HOST_NOISE_RATIO, PLAUSIBLE_KERNEL_SCALE[1])
        alone = solve(replace(start, host_scale=0.0), "kernel_scale", noisy)
        if meets(alone) and _agreement(alone.kernel_scale, PLAUSIBLE_KERNEL_SCALE) > agreement:
            return Calibrated(alone, False, False, _agreement(alone.kernel_scale, PLAUSIBLE_KERNEL_SCALE))
    return Calibrated(Calibration(all_alike, all_alike, all_alike, all_alike), host_known, plausible, agreement)


def _waits_for_all(graph: DependencyGraph) -> bool:
    """Whether calls wait for every activity, as on a CPU, which runs an operation where it is called."""
    waited_for = {row for rows in graph.waits_for for row in rows}
    return len(waited_for) == len(graph.duration_us)


def _agreement(scale: float, plausible: tuple[float, float]) -> float:
    """1 inside the range, else the nearest end over the scale or the other way round."""
    low, high = plausible
    nearest = min(max(scale, low), high)
    return min(scale / nearest, nearest / scale) if min(scale, nearest) > 0 else 0.0


def _slower_calls(graph: DependencyGraph, costs: ActivityCosts, wall_us: float, start: Calibration) -> Calibration:
    """The host's time as `start` has it, with more of it between calls and less in them, as far as the wall time asks.

    Work between calls does not get slower than traced.
    """
    calls_us, others_us = graph.host_split_us
    whole_us = start.host_scale * (calls_us + others_us)
    if calls_us <= 0 or others_us <= 0:
        return start

    def at(scale: float) -> Calibration:
        return replace(start, host_scale=scale, call_scale=(whole_us - scale * others_us) / (scale * calls_us))

    most = min(PLAUSIBLE_HOST_SCALE, whole_us / others_us)
    return _solve(graph, costs, wall_us, at, (start.host_scale, most)) if most > start.host_scale > 0 else start


def _solve(
    graph: DependencyGraph,
    costs: ActivityCosts,
    wall_us: float,
    at: Callable[[float], Calibration],
    bounds: tuple[float, float],
) -> Calibration:
    """The largest scale within bounds whose replay does not outlast `wall_us`; the period grows with the scale."""
    low, high = bounds
    if replay(graph, costs, at(low)).period_us >= wall_us:
        return at(low)
    if replay(graph, costs, at(high)).period_us <= wall_us:
        return at(high)
    while high - low > _TOLERANCE * high:
        middle = (low + high) / 2
        if replay(graph, costs, at(middle)).period_us <= wall_us:
            low = middle
        else:
            high = middle
    return at(low)
