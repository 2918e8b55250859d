"""The slowest kernels of a step, and what each module of the model costs: "which of my layers is it?"."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from profiler.report.records import Kernel, ModuleCost
from profiler.report.source import Source
from profiler.report.vocabulary import Cause, Resource, Tier

MOST_KERNELS = 40  # more than a report shows, and so few that its JSON stays small
_LAYER_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


class KernelRow(Struct, frozen=True):
    """One activity of the step: its own microseconds of wall time and what is known of it."""

    name: str
    us: float
    bytes: float | None
    flops: float | None
    uses_matrix_units: bool
    tensor_flops_per_s: float | None  # the ceiling of its type, if it was measured
    limiter: Resource
    cause: Cause
    operation: str | None
    module: str | None
    counted_bytes: float | None = None  # by hardware counters: these come before `bytes`


def kernel_table(rows: Sequence[KernelRow], period_us: float, dram_bytes_per_s: float | None) -> list[Kernel]:
    """Kernels of the same name, operation and place in a layer as one line, the slowest first."""
    groups: dict[tuple[str, str | None, str | None], list[KernelRow]] = defaultdict(list)
    for row in rows:
        groups[row.name, row.operation, any_layer(row.module)].append(row)
    lines = [
        _line(name, operation, module, group, period_us, dram_bytes_per_s)
        for (name, operation, module), group in groups.items()
    ]
    return sorted(lines, key=lambda line: -line.ms)[:MOST_KERNELS]


def _line(
    name: str,
    operation: str | None,
    module: str | None,
    group: Sequence[KernelRow],
    period_us: float,
    dram_bytes_per_s: float | None,
) -> Kernel:
    seconds = sum(row.us for row in group) / 1e6
    counted = _sum([row.counted_bytes for row in group])
    moved = counted if counted is not None else _sum([row.bytes for row in group])
    tier = Tier.ANALYTIC if counted is None else Tier.COUNTER
    note = "compulsory traffic of its operation" if counted is None else "DRAM traffic"
    flops = _sum([row.flops for row in group])
    at_peak = _sum([_seconds_at_peak(row) for row in group])
    weight: dict[tuple[Resource, Cause], float] = defaultdict(float)
    for row in group:
        weight[row.limiter, row.cause] += row.us
    limiter, cause = max(weight, key=lambda key: weight[key])
    unknown = Source(missing="no operation with known shapes launched it")
    dram_ratio = moved / dram_bytes_per_s / seconds if moved is not None and dram_bytes_per_s and seconds else None
    tensor_ratio = at_peak / seconds if at_peak is not None and seconds else None
    no_ceiling = Source(missing="it took no time of its own" if not seconds else "the ceiling was not measured")
    return Kernel(
        name=name,
        calls=len(group),
        ms=seconds * 1e3,
        fraction=seconds * 1e6 / period_us if period_us > 0 else 0.0,
        bytes=moved,
        flops=flops,
        dram_ratio=dram_ratio,
        tensor_ratio=tensor_ratio,
        limiter=limiter,
        cause=cause,
        operation=operation,
        module=module,
        sources={
            "ms": Source(tier=Tier.TIMELINE),
            "bytes": unknown if moved is None else Source(tier=tier, note=note),
            "flops": Source(tier=Tier.ANALYTIC) if flops is not None else unknown,
            "dram_ratio": _source(dram_ratio, unknown if moved is None else no_ceiling, tier),
            "tensor_ratio": _source(tensor_ratio, unknown if flops is None else no_ceiling),
        },
    )


def _seconds_at_peak(row: KernelRow) -> float | None:
    """What its FLOPs would take at the GEMM ceiling: nothing where it leaves the matrix units alone."""
    if row.flops is None:
        return None
    if not row.uses_matrix_units or row.flops == 0:
        return 0.0
    return row.flops / row.tensor_flops_per_s if row.tensor_flops_per_s else None


def _source(ratio: float | None, missing: Source, tier: Tier = Tier.ANALYTIC) -> Source:
    return missing if ratio is None else Source(tier=tier)


def module_costs(rows: Sequence[KernelRow], period_us: float) -> list[ModuleCost]:
    """Device time of each module with its children, in the order of first use. Empty where modules are unknown."""
    us: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.module is None:
            continue
        path = row.module.split(".")
        for length in range(1, len(path) + 1):
            prefix = ".".join(path[:length])
            us[prefix] += row.us
            calls[prefix] += 1
    return [
        ModuleCost(
            module=module,
            calls=calls[module],
            device_ms=microseconds / 1e3,
            fraction=microseconds / period_us if period_us > 0 else 0.0,
        )
        for module, microseconds in us.items()
    ]


def any_layer(module: str | None) -> str | None:
    """The module's name with layer numbers replaced: `model.layers.3.mlp` is `model.layers.*.mlp`."""
    return None if module is None else _LAYER_NUMBER.sub("*", module)


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum, or None if any summand is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
