"""Why nobody knows of a kernel what limits it, and what to record for that to be known."""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum

import numpy as np
from msgspec import Struct

from profiler.attribute.limiter import Flags
from profiler.trace.timeline import Call, Ints, Timeline

# TorchDynamo and AOTAutograd name what they run so, Inductor its kernels.
_COMPILED_OPERATION = re.compile(r"Compiled|Torch-Compiled|[Ii]nductor|^triton_")
_COMPILED_KERNEL = re.compile(r"^triton_")
# Of the unknown time; smaller reasons are not worth words.
_MENTIONED = 0.1


class WhyUnknown(StrEnum):
    """What hides a kernel's work; the value says it of kernels."""

    REPLAYED = "replayed from a CUDA graph, where no operation launches them"
    COMPILED = "launched by a compiled region, which hides their operations"
    NO_LAUNCH = "without a launch record"
    NO_OPERATION = "launched outside of any operation"
    NO_SHAPES = "launched by operations whose shapes were not recorded"
    NO_RULE = "launched by operations of which it is not known what they move"
    IN_DOUBT = "special functions near the bandwidth, which may issue as well as wait"

    @property
    def next_step(self) -> str:
        """What makes the work of such kernels known."""
        return _NEXT_STEPS[self]


_COUNT = "count what they move and issue: `bottleneck profile --counters`, or Nsight Compute"
_NEXT_STEPS = {
    WhyUnknown.REPLAYED: "record the same step launched op by op, too (no CUDA graphs, record_shapes=True)",
    WhyUnknown.COMPILED: "record it without torch.compile, too (record_shapes=True)",
    WhyUnknown.NO_LAUNCH: "let the device run empty (torch.cuda.synchronize()) before the recording begins",
    WhyUnknown.NO_OPERATION: "record the CPU's activity, too (ProfilerActivity.CPU, record_shapes=True)",
    WhyUnknown.NO_SHAPES: "record with record_shapes=True",
    WhyUnknown.NO_RULE: _COUNT,
    WhyUnknown.IN_DOUBT: _COUNT,
}


class UnknownKernels:
    """Says of rows of a timeline why their work is not known."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._launched_by = np.append(timeline.host.kind, -1)
        self._compiled_names = [_COMPILED_OPERATION.search(name) is not None for name in timeline.names]
        self._has_shapes = any(timeline.operations.shapes)

    def why(self, row: int, *, in_doubt: bool = False) -> WhyUnknown:
        """Of one row of the device; `in_doubt` where its work is known, and what limits it is not."""
        device, operations = self._timeline.device, self._timeline.operations
        call, operation = int(device.call[row]), int(device.operation[row])
        if in_doubt:
            return WhyUnknown.IN_DOUBT
        if self._launched_by[call] == Call.GRAPH_LAUNCH:
            return WhyUnknown.REPLAYED
        if _COMPILED_KERNEL.search(self._timeline.names[device.name[row]]) or self._is_compiled(operation):
            return WhyUnknown.COMPILED
        if operation < 0:
            return WhyUnknown.NO_LAUNCH if call < 0 and len(operations) else WhyUnknown.NO_OPERATION
        return WhyUnknown.NO_RULE if self._has_shapes else WhyUnknown.NO_SHAPES

    def _is_compiled(self, operation: int) -> bool:
        operations = self._timeline.operations
        while operation >= 0:
            if self._compiled_names[operations.name[operation]]:
                return True
            operation = int(operations.parent[operation])
        return False


class Reason(Struct, frozen=True):
    """Why some kernels' limits are not known, and their own time."""

    why: WhyUnknown
    ns: int


def reasons(timeline: Timeline, rows: Ints, own_ns: Ints, in_doubt: Flags) -> list[Reason]:
    """Why unknown device rows, all columns of shape (n,), are so; the longest first, trifles left out."""
    unknown = UnknownKernels(timeline)
    spent: Counter[WhyUnknown] = Counter()
    for row, ns, doubtful in zip(rows.tolist(), own_ns.tolist(), in_doubt.tolist(), strict=True):
        spent[unknown.why(row, in_doubt=doubtful)] += ns
    total = spent.total()
    return [Reason(why, ns) for why, ns in spent.most_common() if ns >= _MENTIONED * total]
