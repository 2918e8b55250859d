"""The evidence of a verdict in words: what a person would say who had looked at the trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from profiler.numerals import three_digits
from profiler.report.records import Copies, Part
from profiler.report.vocabulary import BottleneckClass, Cause

# Parts smaller than this are not worth a sentence; of the leading class, smaller ones are.
_MENTIONED = 0.05
_MENTIONED_OF_LEADER = 0.02
_MOST_SENTENCES = 4

Say = Callable[[BottleneckClass, float, str], None]


class Observed(Struct, frozen=True):
    """The facts that sentences are made of. Bytes are those of one step, `unknown_ratio` is the part of its time in
    kernels whose work nobody knows.
    """

    device_kind: str
    launches: int
    kernels: int
    small_kernels: int
    weight_bytes: float | None
    weights_ideal_ms: float | None
    wall_ms: float
    mfu: float | None
    unknown_ratio: float = 0.0


def sentences(
    leader: BottleneckClass | None, parts: Sequence[Part], copies: Sequence[Copies], seen: Observed
) -> list[str]:
    """Sentences, the leading class's first."""
    fraction = {part.cause: part.fraction for part in parts}
    found: list[tuple[bool, float, str]] = []

    def say(klass: BottleneckClass, weight: float, text: str) -> None:
        if weight >= (_MENTIONED_OF_LEADER if klass is leader else _MENTIONED):
            found.append((klass is not leader, -weight, text))

    processor = "GPU" if seen.device_kind == "cuda" else "processor"
    host = fraction.get(Cause.SCHEDULING_HOST, 0.0)
    sync = fraction.get(Cause.SCHEDULING_SYNC, 0.0)
    gaps = fraction.get(Cause.SCHEDULING_LAUNCH_GAP, 0.0)
    idle = host + sync + gaps
    if seen.device_kind == "cuda":
        if host > 0:
            waiting = f"launch {seen.launches:,} kernels" if seen.launches > 1 else "give it work"
            say(
                BottleneckClass.SCHEDULING,
                host,
                f"the GPU was idle {idle:.0%} of each step, {host:.0%} waiting for the host to {waiting}",
            )
        if gaps > 0:
            say(
                BottleneckClass.SCHEDULING,
                gaps,
                f"gaps between {seen.kernels:,} kernels add up to {gaps:.0%} of each step",
            )
        if sync > 0:
            say(
                BottleneckClass.SCHEDULING,
                sync,
                f"{sync:.0%} of each step went by while the host woke up from waiting for the GPU",
            )
    elif host > 0:
        say(
            BottleneckClass.SCHEDULING,
            host,
            f"{host:.0%} of each step is Python and dispatch between {seen.kernels:,} operations",
        )
    small = fraction.get(Cause.SCHEDULING_SMALL_KERNELS, 0.0)
    if small > 0:
        what = "kernels" if seen.device_kind == "cuda" else "operations"
        say(
            BottleneckClass.SCHEDULING,
            small,
            f"{seen.small_kernels:,} of {seen.kernels:,} {what} are too small to use the {processor}: "
            f"{small:.0%} of each step",
        )
    _memory(fraction, seen, say)
    _compute(fraction, seen, say)
    for copy in copies:
        if copy.exposed_ms > 0 and seen.wall_ms > 0:
            way = "to" if copy.direction == "h2d" else "from"
            size = f"{three_digits(copy.bytes / 1e9)} GB, " if copy.bytes is not None else ""
            rate = f" at {copy.gb_per_s:.1f} GB/s" if copy.gb_per_s else ""
            say(
                BottleneckClass.IO,
                copy.exposed_ms / seen.wall_ms,
                f"copies {way} the GPU ({size}{copy.memory} memory{rate}) hold up "
                f"{copy.exposed_ms / seen.wall_ms:.0%} of each step",
            )
    return [text for _, _, text in sorted(found)][:_MOST_SENTENCES]


def _memory(fraction: dict[Cause, float], seen: Observed, say: Say) -> None:
    weights = fraction.get(Cause.MEMORY_WEIGHTS, 0.0)
    if weights > 0:
        ideal = ""
        if seen.weight_bytes and seen.weights_ideal_ms:
            reading, wall = f"reading {three_digits(seen.weight_bytes / 1e9)} GB of them", three_digits(seen.wall_ms)
            takes = three_digits(seen.weights_ideal_ms)
            ideal = (
                f"; {reading} takes {takes} of {wall} ms at the measured ceiling"
                if seen.weights_ideal_ms <= seen.wall_ms
                else f"; {reading} would take {takes} ms at the measured ceiling, longer than the whole step of "
                f"{wall} ms: some stay in a cache, or the ceiling is too low"
            )
        say(BottleneckClass.MEMORY, weights, f"{weights:.0%} of each step are kernels that wait for weights{ideal}")
    for cause, what in (
        (Cause.MEMORY_KV_CACHE, "for the KV cache"),
        (Cause.MEMORY_ACTIVATIONS, "for activations"),
        (Cause.MEMORY_COPY, "for copies within the device"),
    ):
        part = fraction.get(cause, 0.0)
        if part > 0:
            say(BottleneckClass.MEMORY, part, f"{part:.0%} of each step are kernels that wait {what}")


def _compute(fraction: dict[Cause, float], seen: Observed, say: Say) -> None:
    tensor = fraction.get(Cause.COMPUTE_TENSOR, 0.0)
    if tensor > 0:
        units = "matrix units" if seen.device_kind == "cuda" else "arithmetic of matrix products"
        mfu = f"; the step reaches {seen.mfu:.0%} of the measured GEMM ceiling" if seen.mfu is not None else ""
        say(BottleneckClass.COMPUTE, tensor, f"{tensor:.0%} of each step are kernels that keep the {units} busy{mfu}")
    issue = fraction.get(Cause.COMPUTE_ISSUE, 0.0)
    if issue > 0:
        unknown = min(seen.unknown_ratio, issue)
        what = "busy issuing instructions, not waiting for memory"
        if unknown >= _MENTIONED:
            what = f"{what}, or, for {unknown:.0%} of each step, of work that is not known"
        say(BottleneckClass.COMPUTE, issue, f"{issue:.0%} of each step are kernels {what}")
