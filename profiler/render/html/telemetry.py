"""What driver and host said through time, one telemetry pass after the other."""

from __future__ import annotations

from typing import Any

from profiler.render.html.figure import Figure, rounded
from profiler.render.words import listed
from profiler.report.records import Phase, Report
from profiler.report.telemetry import Series

# What is worth a picture, in this order.
_SHOWN = (
    "power",
    "sm_clock",
    "gpu_active",
    "sm_utilization",
    "dram_bandwidth",
    "tensor_utilization",
    "pcie_h2d",
    "memory_used",
    "cpu_process",
    "cpu_others",
    "host_memory_used",
)


def telemetry(report: Report) -> Figure | None:
    """Series over seconds, the phases marked; None where the report keeps no readings."""
    phases = [phase for phase in report.phases if phase.telemetry is not None and _kept(phase)]
    if not phases:
        return None
    begins: list[float] = []
    end = 0.0
    for phase in phases:
        begins.append(end)
        end += max([phase.telemetry.seconds if phase.telemetry else 0.0, *(s.at_ms[-1] / 1e3 for s in _kept(phase))])
    names = [name for name in _SHOWN if any(series.name == name for phase in phases for series in _kept(phase))]
    data: dict[str, Any] = {
        "end": end,
        "phases": [
            {"name": phase.name, "begin": begin, "end": later}
            for phase, begin, later in zip(phases, begins, [*begins[1:], end], strict=True)
        ],
        "series": [_series(name, phases, begins) for name in names],
    }
    return Figure(
        "telemetry",
        "Telemetry through time",
        f"{listed(name.replace('_', ' ') for name in names)}, while each phase ran again and again under telemetry. "
        "The passes stand one after the other; what ran between them is left out.",
        data,
    )


def _kept(phase: Phase) -> list[Series]:
    return [series for series in phase.telemetry.series if series.values] if phase.telemetry is not None else []


def _series(name: str, phases: list[Phase], begins: list[float]) -> dict[str, Any]:
    seconds: list[float] = []
    values: list[float | None] = []
    unit = ""
    for phase, begin in zip(phases, begins, strict=True):
        for series in _kept(phase):
            if series.name == name:
                unit = series.unit
                seconds += rounded([begin + at / 1e3 for at in series.at_ms], 6)
                values += rounded(series.values)
        # So that no line joins two passes.
        seconds.append(seconds[-1] if seconds else begin)
        values.append(None)
    return {"name": name.replace("_", " "), "unit": unit, "s": seconds, "values": values}
