"""A timeline in columns: what the device ran, what the host called, which operation and module asked for it.

All times are integer nanoseconds on one clock. A row's number is its identity: columns refer to each other by row,
and -1 means "none" or "unknown".
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from profiler.trace.reading_flaws import ReadingFlaws

Ints = NDArray[np.int64]


def _no_rows() -> Ints:
    return np.empty(0, np.int64)


class Activity(IntEnum):
    """What a device was doing."""

    KERNEL = 0
    H2D = 1
    D2H = 2
    D2D = 3
    P2P = 4
    MEMSET = 5
    COLLECTIVE = 6

    @property
    def is_host_copy(self) -> bool:
        """Whether bytes cross the bus between host and device."""
        return self in (Activity.H2D, Activity.D2H)


class Call(IntEnum):
    """What a runtime or driver call of the host does."""

    LAUNCH = 0  # kernel launch
    GRAPH_LAUNCH = 1  # one call, many activities
    COPY = 2  # memcpy, asynchronous or not
    MEMSET = 3
    SYNC = 4  # the host blocks until stream, device or event is done
    EVENT_RECORD = 5
    EVENT_WAIT = 6  # a stream is made to wait for an event
    OTHER = 7


class DeviceEvents(Struct, frozen=True):
    """What ran on the devices, sorted by `start_ns`. All columns have shape (n,), but grid and block: (n, 3)."""

    start_ns: Ints
    end_ns: Ints
    kind: Ints  # Activity
    name: Ints  # index into Timeline.names
    device: Ints
    stream: Ints
    correlation: Ints
    bytes: Ints  # copies and memsets; -1 elsewhere
    pageable: NDArray[np.bool_]  # a host copy from or to pageable memory
    grid: Ints
    block: Ints
    registers: Ints  # per thread
    shared_bytes: Ints  # per block
    call: Ints  # row in HostCalls that launched it
    operation: Ints  # row in Operations: the innermost operation around the launch
    group: Ints  # of collectives: index into Timeline.names of the process group; -1 where the trace does not say
    window_ns: tuple[int, int] | None = None  # what of the trace was cut out; None for all of it
    whole_ns: Ints | None = None  # how long each row lasts, clipped or not; None where no window was cut out

    def __len__(self) -> int:
        return len(self.start_ns)

    @property
    def span_ns(self) -> tuple[int, int]:
        """The window that was cut out, else from the first start to the last end; (0, 0) where nothing ran."""
        if self.window_ns is not None:
            return self.window_ns
        return (int(self.start_ns.min()), int(self.end_ns.max())) if len(self) else (0, 0)

    @property
    def inside_ratio(self) -> NDArray[np.float64]:
        """The part of each row's time that the window holds, shape (n,); 1 for what takes none."""
        ratio = np.ones(len(self))
        if self.whole_ns is not None:
            np.divide(self.end_ns - self.start_ns, self.whole_ns, out=ratio, where=self.whole_ns > 0)
        return ratio


class HostCalls(Struct, frozen=True):
    """Runtime and driver calls of the host, sorted by `start_ns`."""

    start_ns: Ints
    end_ns: Ints
    kind: Ints  # Call
    name: Ints
    thread: Ints  # index into Timeline.threads
    correlation: Ints
    operation: Ints  # row in Operations around the call
    stream: Ints  # of event records and waits, and of stream syncs; -1 where the trace does not say
    waits_for: Ints  # of event waits and event syncs: the correlation of the event's record call

    def __len__(self) -> int:
        return len(self.start_ns)


class Operations(Struct, frozen=True):
    """Framework operations (aten and custom ops) on host threads, sorted by `start_ns`.

    `shapes[i]`, `types[i]`, `concrete[i]` and `strides[i]` are the traced inputs: one entry an argument; a tensor list
    is a list of shapes. They are shared objects: do not change them.
    """

    start_ns: Ints
    end_ns: Ints
    name: Ints
    thread: Ints
    parent: Ints  # row of the enclosing operation
    module: Ints  # row in Ranges: the innermost nn.Module range around it
    stack: Ints  # index into Timeline.stacks
    shapes: list[list[Any]] = field(default_factory=list)
    types: list[list[str]] = field(default_factory=list)
    concrete: list[list[str]] = field(default_factory=list)
    strides: list[list[Any]] = field(default_factory=list)  # like `shapes`; empty where the trace has none

    def __len__(self) -> int:
        return len(self.start_ns)


class Ranges(Struct, frozen=True):
    """User annotations on the host, sorted by `start_ns`: steps, and the nn.Modules of the model."""

    start_ns: Ints
    end_ns: Ints
    name: Ints
    thread: Ints
    parent: Ints

    def __len__(self) -> int:
        return len(self.start_ns)


class Frames(Struct, frozen=True):
    """Calls of Python functions (`with_stack=True`) as the trace names them, in its order: `file(line): function`."""

    start_ns: Ints = field(default_factory=_no_rows)
    end_ns: Ints = field(default_factory=_no_rows)
    name: Ints = field(default_factory=_no_rows)
    thread: Ints = field(default_factory=_no_rows)

    def __len__(self) -> int:
        return len(self.start_ns)


class ProcessRank(Struct, frozen=True):
    """Which of how many processes of a job a trace says that it is of."""

    rank: int
    of: int


class Timeline(Struct, frozen=True):
    """One process's trace."""

    names: list[str]
    threads: list[int]
    device: DeviceEvents
    host: HostCalls
    operations: Operations
    ranges: Ranges
    overhead: Ints  # shape (n, 2): when the tracer itself held the host, start and end
    device_properties: list[dict[str, Any]] = field(default_factory=list)
    flaws: ReadingFlaws = field(default_factory=ReadingFlaws)
    frames: Frames = field(default_factory=Frames)
    stacks: list[str] = field(default_factory=list)  # Python call stacks, innermost first, with ; between
    process: ProcessRank | None = None  # None where the trace does not say it

    def name_of(self, column: Ints, row: int) -> str:
        """The name in `column` at `row`."""
        return self.names[int(column[row])]


# Ranges of our own making start so; the reader tells modules from steps by it.
STEP_PREFIX = "bottleneck.step:"
MODULE_PREFIX = "bottleneck.module:"
