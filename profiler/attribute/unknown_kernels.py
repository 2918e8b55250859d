"""Why nobody knows of a kernel what limits it, and what to record for that to be known."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

import numpy as np
from msgspec import Struct

from profiler.attribute.limiter import Flags
from profiler.trace.timeline import Call, Ints, Timeline

# TorchDynamo and AOTAutograd name what they run so, Inductor its kernels.
_COMPILED_OPERATION = ("Compiled", "Inductor", "inductor")
_COMPILED_KERNEL = "triton_"
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
    IN_DOUBT = "for special functions, near the bandwidth, which may issue as well as wait"

    @property
    def next_step(self) -> str:
        """What makes the work of such kernels known."""
        return _NEXT_STEPS[self]


_COUNT = "count what they move and issue: `bottleneck profile --counters`, or Nsight Compute"
_NEXT_STEPS = {
    WhyUnknown.REPLAYED: (
        "let `bottleneck profile --mode graph` join the replay with its operations, or record the step launched op by "
        "op, too (record_shapes=True)"
    ),
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
        names = timeline.names
        self._compiled_kernels = np.array([name.startswith(_COMPILED_KERNEL) for name in names], np.bool_)
        called_so = [any(word in name for word in _COMPILED_OPERATION) for name in names]
        self._compiled_operations = self._compiled_kernels | np.array(called_so, np.bool_)
        self._has_shapes = any(timeline.operations.shapes)

    def why(self, row: int, *, in_doubt: bool = False) -> WhyUnknown:
        """Of one row of the device; `in_doubt` where its work is known, and what limits it is not."""
        (why,) = self.of(np.array([row]), np.array([in_doubt]))
        return why

    def of(self, rows: Ints, in_doubt: Flags) -> list[WhyUnknown]:
        """As `why`, of many rows; both columns have shape (n,)."""
        device = self._timeline.device
        call, operation = device.call[rows], device.operation[rows]
        reasons = (
            (in_doubt, WhyUnknown.IN_DOUBT),
            (self._launched_by[call] == Call.GRAPH_LAUNCH, WhyUnknown.REPLAYED),
            (self._compiled_kernels[device.name[rows]] | self._are_compiled(operation), WhyUnknown.COMPILED),
            ((operation < 0) & (call < 0) & (len(self._timeline.operations) > 0), WhyUnknown.NO_LAUNCH),
            (operation < 0, WhyUnknown.NO_OPERATION),
        )
        otherwise = WhyUnknown.NO_RULE if self._has_shapes else WhyUnknown.NO_SHAPES
        numbers = np.select([holds for holds, _ in reasons], range(len(reasons)), len(reasons)).tolist()
        return [(*(why for _, why in reasons), otherwise)[number] for number in numbers]

    def _are_compiled(self, operation: Ints) -> Flags:
        """Which of these rows of operations are compiled, or within one that is."""
        operations = self._timeline.operations
        found = np.zeros(len(operation), np.bool_)
        rising, around = np.flatnonzero(operation >= 0), operation[operation >= 0]
        while len(rising):
            found[rising] = self._compiled_operations[operations.name[around]]
            outer = operations.parent[around]
            higher = (outer >= 0) & ~found[rising]
            rising, around = rising[higher], outer[higher]
        return found


class Reason(Struct, frozen=True):
    """Why some kernels' limits are not known, and their own time."""

    why: WhyUnknown
    ns: int


def reasons(timeline: Timeline, rows: Ints, own_ns: Ints, in_doubt: Flags) -> list[Reason]:
    """Why unknown device rows, all columns of shape (n,), are so; the longest first, trifles left out."""
    unknown = UnknownKernels(timeline)
    spent: Counter[WhyUnknown] = Counter()
    for why, ns in zip(unknown.of(rows, in_doubt), own_ns.tolist(), strict=True):
        spent[why] += ns
    total = spent.total()
    return [Reason(why, ns) for why, ns in spent.most_common() if ns >= _MENTIONED * total]
