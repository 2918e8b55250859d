"""What an H100 counted beside a trace, and what Nsight Compute counted of the same step."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.truth.ncu import NcuKernel
from profiler.attribute.counted import Counted, count_kernels
from profiler.measure.counters.source import Counter, CounterRecording
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Timeline

_FOLDER = Path(__file__).parents[2] / "data" / "counters"
_COPIES = 9
# What all SMs together can do in a ns: 36.74% of it were 14,406,196 cycles in samples of 50 us of a matrix product.
_MOST_PER_NS = 14_406_196 / 0.367429 / 50_000


@dataclass(frozen=True)
class CountedRecording:
    timeline: Timeline
    recording: CounterRecording
    iterations: int
    marker_bytes: int
    weight_bytes: int
    ncu: list[NcuKernel]
    active: dict[Counter, list[float]]  # in each sample, where it was counted

    def units_every(self, sample_ns: int) -> CountedRecording:
        """The same with matrix pipes and instructions, as longer samples would have shown it."""
        recording = self.recording
        edges = np.append(recording.start_ns, recording.end_ns[-1:]) - recording.start_ns[0]
        length = np.diff(edges)
        coarse = np.arange(0, edges[-1], sample_ns)

        def longer(amounts: Any) -> Any:
            return np.diff(np.interp(coarse, edges, np.concatenate([[0.0], np.cumsum(amounts)])))

        values = {counter: longer(column).tolist() for counter, column in recording.values.items()}
        values |= {
            counter: (longer(np.asarray(ratio) * length) / sample_ns).tolist() for counter, ratio in self.active.items()
        }
        times = (coarse + recording.start_ns[0]).tolist()
        return replace(self, recording=CounterRecording(start_ns=times[:-1], end_ns=times[1:], values=values))

    def count(self) -> Counted:
        return count_kernels(
            self.timeline,
            self.recording,
            marker_bytes=self.marker_bytes,
            marker_copies=_COPIES,
            iterations=[self.iterations],
        )


@cache
def counted_recording(name: str) -> CountedRecording:
    data: dict[str, Any] = msgspec.json.decode(gzip.decompress((_FOLDER / f"{name}.json.gz").read_bytes()))
    starts = np.cumsum(data["start_ns"]).tolist()
    events = []
    for number, start, duration in zip(data["name"], starts, data["duration_ns"], strict=True):
        kernel, grid, category = data["names"][number]
        arguments: dict[str, Any] = {"device": 0, "stream": 7}
        if grid:
            arguments["grid"] = grid
        if category == "gpu_memcpy":
            arguments["bytes"] = data["marker_bytes"]
        # as text: a float of microseconds would lose nanoseconds, as it would in a real trace
        times = {"ts": f"{start // 1000}.{start % 1000:03d}", "dur": f"{duration // 1000}.{duration % 1000:03d}"}
        events.append({"ph": "X", "cat": category, "name": kernel, "pid": 0, "tid": 7, "args": arguments, **times})
    trace = {"baseTimeNanoseconds": data["base_ns"], "traceEvents": events}
    text = re.sub(rb'"(ts|dur)":"([0-9.]+)"', rb'"\1":\2', msgspec.json.encode(trace))
    edges = data["sample_base_ns"] + np.concatenate([[0], np.cumsum(data["sample_ns"])])
    return CountedRecording(
        timeline=read_kineto(text),
        recording=CounterRecording(
            start_ns=edges[:-1].tolist(), end_ns=edges[1:].tolist(), values=_values(data["metrics"], data["values"])
        ),
        iterations=data["iterations"],
        marker_bytes=data["marker_bytes"],
        weight_bytes=data["weight_bytes"],
        active=_active(data),
        ncu=[NcuKernel(name, _grid(grid), read, written, ns) for name, grid, read, written, ns in data["ncu"]],
    )


def _values(metrics: list[str], columns: list[list[int]]) -> dict[Counter, list[float]]:
    found = dict(zip(metrics, [np.asarray(column, float) for column in columns], strict=True))
    values = {Counter.DRAM_READ: found["dram__bytes_read.sum"], Counter.DRAM_WRITE: found["dram__bytes_write.sum"]}
    if "pcie__read_bytes.sum" in found:
        values[Counter.PCIE_READ] = found["pcie__read_bytes.sum"]
        values[Counter.PCIE_WRITE] = found["pcie__write_bytes.sum"]
    return {counter: column.tolist() for counter, column in values.items()}


def _active(data: dict[str, Any]) -> dict[Counter, list[float]]:
    found = dict(zip(data["metrics"], [np.asarray(column, float) for column in data["values"]], strict=True))
    names = {
        Counter.TENSOR_ACTIVE: "sm__pipe_tensor_cycles_active_realtime.sum",
        Counter.ISSUE_ACTIVE: "sm__inst_executed_realtime.sum",
    }
    most = np.asarray(data["sample_ns"]) * _MOST_PER_NS
    return {counter: (found[name] / most).tolist() for counter, name in names.items() if name in found}


def _grid(text: str) -> tuple[int, int, int]:
    x, y, z = (int(number) for number in re.findall(r"\d+", text))
    return x, y, z
