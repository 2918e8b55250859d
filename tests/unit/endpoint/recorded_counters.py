"""Recordings of an H100's counters, as the telemetry process would have sampled them under a load."""

from __future__ import annotations

import json
from pathlib import Path

from profiler.measure.telemetry.source import Recording, Sample

_INDEX = Path(__file__).parents[2] / "data" / "recordings" / "index_h100.json"
_SERIES = {entry["name"]: entry["telemetry"]["series"] for entry in json.loads(_INDEX.read_text())["recordings"]}
NAMES = tuple(_SERIES)
_MIB_PER_S = 2**20 / 1e9


def recording(name: str) -> Recording:
    """Its windows, in the units of the telemetry process."""
    samples = [
        Sample(
            source="gpm",
            start_ns=window["start_ns"],
            end_ns=window["end_ns"],
            values={
                "gpu_active": window["GRAPHICS_UTIL"] / 100,
                "dram_utilization": window["DRAM_BW_UTIL"] / 100,
                "tensor_utilization": window["ANY_TENSOR_UTIL"] / 100,
                "pcie_h2d": window["PCIE_RX_PER_SEC"] * _MIB_PER_S,
                "pcie_d2h": window["PCIE_TX_PER_SEC"] * _MIB_PER_S,
            },
        )
        for window in _SERIES[name]
    ]
    return Recording(samples=samples)


def span(name: str) -> tuple[int, int]:
    """From the first window's begin to the last one's end."""
    return _SERIES[name][0]["start_ns"], _SERIES[name][-1]["end_ns"]
