"""Do telemetry, trace and arithmetic tell the same story? Where they do not, the report says so."""

from __future__ import annotations

from math import isnan

from profiler.attribute.bytes_in_doubt import Traffic
from profiler.attribute.kernel_work import KernelWork
from profiler.attribute.limiter import dram_bytes
from profiler.attribute.rates import Rates
from profiler.device.driver import QueryRefused
from profiler.device.gpu import POWER_CAP_MASK, THROTTLED_MASK, Gpu, name_clock_event_reasons
from profiler.device.other_processes import BUSY_ELSEWHERE_CORES
from profiler.numerals import three_digits
from profiler.report.records import Phase, ReportWarning
from profiler.report.source import Source
from profiler.report.telemetry import Series, Telemetry
from profiler.report.vocabulary import BottleneckClass, Cause, Tier

# Telemetry and trace come from different runs of the phase, whose clocks differ by a few percent.
DRAM_TOLERANCE = 0.10
IDLE_TOLERANCE = 0.05
# Idle time that the driver's counters see. The gaps between queued kernels, a microsecond each, are too short for them:
# on 23 of 25 recorded phases they counted them as active.
SEEN_AS_IDLE = (Cause.SCHEDULING_HOST, Cause.SCHEDULING_SYNC)
# No phase does more than a true ceiling allows. That of reading is no quite true one for writing: of what was measured,
# fills on an H100 come the furthest beyond, to 1.051 of it; a float32 product of another shape to 1.018 of its own.
ABOVE_CEILING = 1.06
# Of 82 phases of `tiny` on two quiet cores, 80 were traced at 0.53 to 1.18 of their clean speed; one at 0.01.
TRACED_CPU_SCALE = (0.5, 2.0)
# Two runs of a launch-bound step differ by less.
SLOWED_HOST = 1.1
# A warm-up is slower than what follows; this much slower is more than that.
SLOW_FIRST_TIME = 1.3


def series(telemetry: Telemetry | None, name: str) -> Series | None:
    """The series of that name, if it could be read."""
    if telemetry is None:
        return None
    return next((found for found in telemetry.series if found.name == name and found.value is not None), None)


def is_throttled(telemetry: Telemetry | None) -> bool:
    """Whether the clocks were held down by heat, a brake or the hardware. A power cap is a warning, not this."""
    reasons = series(telemetry, "clock_event_reasons")
    return reasons is not None and bool(int(reasons.value or 0) & THROTTLED_MASK)


def is_throttled_now(gpu: Gpu | None) -> bool:
    """The same of this moment, for a phase without telemetry; False where the driver does not say."""
    if gpu is None:
        return False
    try:
        return bool(gpu.clock_event_reasons() & THROTTLED_MASK)
    except QueryRefused:
        return False


def energy_per_token(telemetry: Telemetry | None, tokens: int | None) -> tuple[float | None, Source]:
    """Joules per token of the telemetry pass."""
    energy = series(telemetry, "energy")
    if telemetry is None or energy is None or energy.value is None:
        found = None if telemetry is None else next((s for s in telemetry.series if s.name == "energy"), None)
        return None, Source(missing=(found.missing if found else None) or "energy was not measured")
    if not tokens or not telemetry.iterations:
        return None, Source(missing="the phase does not say how many tokens an iteration makes")
    window = Source(tier=Tier.DRIVER, window_ms=telemetry.seconds * 1e3, note="energy of the whole device")
    return energy.value / (telemetry.iterations * tokens), window


def doubts(telemetry: Telemetry | None, rates: Rates, device_kind: str) -> list[str]:
    """What makes a verdict doubtful, whatever the trace says."""
    found = []
    others = series(telemetry, "cpu_others")
    if device_kind == "cpu" and others is not None and (others.value or 0.0) > BUSY_ELSEWHERE_CORES:
        found.append(
            f"other processes kept {others.value:.1f} CPU cores busy: what they slowed cannot be told apart, so stop "
            "them and profile again"
        )
    for ratio, ceiling in ((rates.mfu, "GEMM"), (rates.mbu, "read")):
        if ratio is not None and ratio > ABOVE_CEILING:
            found.append(
                f"the phase reaches {ratio:.0%} of the measured {ceiling} ceiling: its data stays in a cache, or the "
                "ceiling was measured on a busy machine (`bottleneck calibrate` measures anew)"
            )
    return found


def trace_doubts(kernel_scale: float | None, device_kind: str) -> list[str]:
    """What makes a CPU's verdict doubtful: operations that its trace saw at quite another speed than the clean run."""
    low, high = TRACED_CPU_SCALE
    if device_kind != "cpu" or kernel_scale is None or low <= kernel_scale <= high:
        return []
    return [
        f"traced operations had to be scaled by {three_digits(kernel_scale)} to fit the clean time: something else "
        "held the traced run up, so stop what else runs here and profile again"
    ]


def cross_check(phase: Phase, work: KernelWork | None, l2_bytes: int | None) -> list[ReportWarning]:
    """Warnings where two witnesses of the same thing disagree."""
    found: list[ReportWarning] = []

    def warn(code: str, message: str) -> None:
        found.append(ReportWarning(code=code, message=message, phase=phase.name))

    first, usual = phase.clean.first_time_ms, phase.clean.wall_ms.median
    full_speed, slowdown = phase.clean.full_speed_ms, phase.clean.host_slowdown
    if full_speed is not None and slowdown is not None and usual > SLOWED_HOST * full_speed.median:
        warn(
            "host_slowed",
            f"the host was {slowdown:.2f} times as slow as at its best: at its full speed, an iteration would take "
            f"{three_digits(full_speed.median)} ms instead of {three_digits(usual)}",
        )
    if first is not None and first > SLOW_FIRST_TIME * usual:
        warn(
            "slow_first_time",
            f"the first time at each context length, a step took {three_digits(first)} ms, and {three_digits(usual)} "
            "from then on: a new process pays this once (on a GPU, cuDNN plans its attention anew for each length)",
        )
    reasons = series(phase.telemetry, "clock_event_reasons")
    if reasons is not None and reasons.value:
        bits = int(reasons.value)
        if bits & THROTTLED_MASK:
            named = ", ".join(name_clock_event_reasons(bits & THROTTLED_MASK))
            warn("throttled", f"the GPU was throttled ({named}): its times are not those of a healthy card")
        elif bits & POWER_CAP_MASK:
            warn("power_cap", "the GPU ran at its power cap, which is normal under large matrix products")
    traffic = dram_traffic(phase, work, l2_bytes)
    if traffic is not None and abs(traffic.seen_bytes / traffic.expected_bytes - 1) > DRAM_TOLERANCE:
        warn("dram_disagrees", traffic.words)
    others = series(phase.telemetry, "cpu_others")
    if others is not None and others.value is not None and others.value > BUSY_ELSEWHERE_CORES:
        warn(
            "cpu_shared",
            f"other processes kept {others.value:.1f} CPU cores busy: the host's times are not a quiet machine's",
        )
    busy = busy_ms(phase)
    if busy is not None:
        driver_ms, ours_ms = busy
        wall_ms = phase.clean.wall_ms.median
        if abs(driver_ms - ours_ms) > IDLE_TOLERANCE * wall_ms:
            warn(
                "idle_disagrees",
                f"the driver saw kernels for {three_digits(driver_ms)} ms of an iteration, trace and clean time say "
                f"{three_digits(ours_ms)} of {three_digits(wall_ms)} ms",
            )
    return found


def busy_ms(phase: Phase) -> tuple[float, float] | None:
    """Milliseconds of an iteration in which the GPU had kernels, as the driver saw them and as the parts say.

    The driver's share is of its own pass, whose host may have been slower or faster than in the clean pass: so it is
    taken of that pass's iteration. None where the driver did not say.
    """
    active = series(phase.telemetry, "gpu_active")
    if phase.telemetry is None or active is None or active.value is None or not phase.telemetry.iterations:
        return None
    if not phase.parts:
        return None
    # The driver calls a GPU active while a kernel runs, not while only a copy does.
    idle_ms = sum(
        part.ms
        for part in phase.parts
        if part.cause in SEEN_AS_IDLE or (part.class_ is BottleneckClass.IO and part.cause is not Cause.IO_COLLECTIVE)
    )
    iteration_ms = phase.telemetry.seconds / phase.telemetry.iterations * 1e3
    return active.value * iteration_ms, phase.clean.wall_ms.median - idle_ms


def dram_traffic(phase: Phase, work: KernelWork | None, l2_bytes: int | None) -> Traffic | None:
    """DRAM traffic of an iteration, as the driver saw it and as the shapes of kernels and copies say.

    None where one of them does not say, or where all that a step touches may stay in L2.
    """
    bandwidth = series(phase.telemetry, "dram_bandwidth")
    if phase.telemetry is None or not phase.telemetry.iterations or work is None:
        return None
    if bandwidth is None or bandwidth.value is None:
        return None
    seen = bandwidth.value * 1e9 * phase.telemetry.seconds / phase.telemetry.iterations
    expected = sum(
        dram_bytes(moved, 0.0 if isnan(resident) else min(resident, moved), l2_bytes)
        for moved, resident in zip(work.bytes.tolist(), work.activations_bytes.tolist(), strict=True)
        if not isnan(moved)
    )
    return Traffic(seen, expected) if expected > (l2_bytes or 0) else None
