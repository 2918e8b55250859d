"""Every kernel of a phase beneath the roofs of its device."""

from __future__ import annotations

from typing import Any

from profiler.render.html.figure import Figure
from profiler.render.html.kernels import kernel_columns
from profiler.render.numbers import count, number
from profiler.report.ceilings import Ceilings
from profiler.report.evidence import KernelFacts
from profiler.report.records import Kernel, Phase

_EDGE = 0.01  # FLOP/byte, as in page.js


def roofline(phase: Phase, ceilings: Ceilings, dtype: str | None) -> Figure | None:
    """Intensity in FLOP/byte to the right, TFLOP/s upwards, both logarithmic; None where no kernel has a place in it.

    A kernel that computes next to nothing has no intensity to speak of: it stands at the left edge, as far below the
    memory's roof as its bandwidth is below that of the memory.
    """
    kernels = _all_kernels(phase)
    placed = [kernel for kernel in kernels if kernel.bytes and kernel.ms > 0]
    if not placed:
        return None
    bandwidth = _ceiling(ceilings, "read")
    matrix = _ceiling(ceilings, f"gemm.{dtype}")
    roofs = [f"{number(bandwidth)} GB/s" if bandwidth else "", f"{number(matrix)} TFLOP/s ({dtype})" if matrix else ""]
    left_out = len(kernels) - len(placed)
    said = f"{count(len(placed))} kinds of kernel"
    said += f", and {count(left_out)} more of which nobody knows the bytes, that have no place" if left_out else ""
    without = sum(not kernel.flops or kernel.flops / (kernel.bytes or 1) < _EDGE for kernel in placed)
    edge = f" {count(without)} compute next to nothing and stand at the left edge." if without else ""
    measured = " and ".join(roof for roof in roofs if roof)
    data: dict[str, Any] = {
        "kernels": kernel_columns(placed),
        "gb_per_s": bandwidth,
        "tflop_per_s": matrix,
        "wall_ms": phase.clean.wall_ms.median,
    }
    return Figure(
        "roofline",
        f"Roofline of {phase.name}",
        f"{said}. The larger a mark, the more time it takes; the closer to a roof, the less there is to gain."
        f"{edge}{f' Roofs as measured: {measured}.' if measured else ' This device has no measured roofs.'}",
        data,
    )


def _ceiling(ceilings: Ceilings, name: str) -> float | None:
    return next((found.value for found in ceilings.ceilings if found.name == name), None)


def _all_kernels(phase: Phase) -> list[Kernel]:
    """Each kernel of the kept step, equal ones together; those that the report lists where it keeps no evidence."""
    step = phase.timeline
    if step is None or step.evidence is None:
        return phase.kernels
    listed = {kernel.name: kernel for kernel in phase.kernels}
    groups: dict[tuple[int, int], list[int]] = {}
    for row, (name, facts) in enumerate(zip(step.device.name, step.evidence.facts_of, strict=True)):
        if step.device.kind[row] == "kernel":
            groups.setdefault((name, facts), []).append(row)
    return [
        _kernel(phase, step.names[name], step.evidence.facts[facts], rows, listed)
        for (name, facts), rows in groups.items()
    ]


def _kernel(phase: Phase, name: str, facts: KernelFacts, rows: list[int], listed: dict[str, Kernel]) -> Kernel:
    step, known = phase.timeline, listed.get(name)
    assert step is not None
    ms = sum(step.device.duration_us[row] for row in rows) * step.kernel_scale / 1e3
    moved = facts.counted_bytes or facts.bytes  # where all of it stayed in a cache, what the shapes say
    needs = {resource: needed[rows[0]] for resource, needed in step.device.needs_us.items()}
    return Kernel(
        name=name,
        calls=len(rows),
        ms=ms,
        fraction=ms / phase.clean.wall_ms.median if phase.clean.wall_ms.median > 0 else 0.0,
        bytes=None if moved is None else moved * len(rows),
        flops=None if facts.flops is None else facts.flops * len(rows),
        dram_ratio=None,
        tensor_ratio=None,
        limiter=known.limiter if known is not None else max(needs, key=lambda resource: needs[resource]),
        cause=step.device.cause[rows[0]],
        operation=known.operation if known is not None else None,
        module=known.module if known is not None else None,
    )
