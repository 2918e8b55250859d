"""All kernels of a phase, for the table that sorts and for the roofline: in columns, each text once."""

from __future__ import annotations

from typing import Any

from profiler.render.html.figure import rounded
from profiler.render.kernel_blocks import limited_by
from profiler.render.kernel_name import short_kernel_name
from profiler.report.records import Kernel

_LONGEST = 200  # characters of a full name; what a template instantiates goes on for thousands


def kernel_columns(kernels: list[Kernel]) -> dict[str, Any]:
    """The slowest first. `texts` holds each text once; `name`, `full`, `limiter` and `for` are indices into it."""
    ranked = sorted(kernels, key=lambda kernel: -kernel.ms)
    places: dict[str, int] = {}

    def text(words: str) -> int:
        return places.setdefault(words, len(places))

    columns: dict[str, Any] = {
        "name": [text(short_kernel_name(kernel.name[:_LONGEST])) for kernel in ranked],
        "full": [text(kernel.name[:_LONGEST]) for kernel in ranked],
        "calls": [kernel.calls for kernel in ranked],
        "ms": rounded([kernel.ms for kernel in ranked]),
        "fraction": rounded([kernel.fraction for kernel in ranked]),
        "limiter": [text(limited_by(kernel)) for kernel in ranked],
        "class": [text(kernel.cause.bottleneck_class.value) for kernel in ranked],
        "for": [text((kernel.module or kernel.operation or "")[:_LONGEST]) for kernel in ranked],
    }
    for name in ("dram_ratio", "tensor_ratio", "bytes", "flops"):
        values = [getattr(kernel, name) for kernel in ranked]
        columns[name] = [None if value is None else rounded([value])[0] for value in values]
    return {"texts": list(places), **columns}
