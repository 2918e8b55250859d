"""The exclusive pieces that the time of a trace is divided into."""

from __future__ import annotations

from enum import StrEnum

from profiler.report.vocabulary import BottleneckClass


class PartName(StrEnum):
    """An exclusive piece of a trace's span: kernels by what limits them, exposed copies and collectives, idle time."""

    KERNEL_DRAM = "kernel.dram"
    KERNEL_TENSOR = "kernel.tensor"
    KERNEL_ISSUE = "kernel.issue"
    KERNEL_LATENCY = "kernel.latency"
    KERNEL_UNKNOWN = "kernel.unknown"
    COPY_WITHIN_DEVICE = "copy.within_device"
    COPY_H2D = "copy.h2d"
    COPY_D2H = "copy.d2h"
    COPY_P2P = "copy.p2p"
    COLLECTIVE = "collective"
    IDLE_HOST = "idle.host"
    IDLE_SYNC = "idle.sync"
    IDLE_LAUNCH_GAP = "idle.launch_gap"
    IDLE_OTHER_STREAM = "idle.other_stream"
    IDLE_INPUT = "idle.input"
    IDLE_STAGING = "idle.staging"
    IDLE_NOTHING_ASKED = "idle.nothing_asked"
    IDLE_UNKNOWN = "idle.unknown"

    @property
    def bottleneck_class(self) -> BottleneckClass | None:
        """The class that this time is laid to, or None where nobody can tell."""
        return _CLASSES.get(self)

    @property
    def is_idle(self) -> bool:
        """Whether the device had nothing to do."""
        return self.value.startswith("idle.")


_CLASSES = {
    PartName.KERNEL_DRAM: BottleneckClass.MEMORY,
    PartName.KERNEL_TENSOR: BottleneckClass.COMPUTE,
    PartName.KERNEL_ISSUE: BottleneckClass.COMPUTE,
    PartName.KERNEL_LATENCY: BottleneckClass.SCHEDULING,
    PartName.COPY_WITHIN_DEVICE: BottleneckClass.MEMORY,
    PartName.COPY_H2D: BottleneckClass.IO,
    PartName.COPY_D2H: BottleneckClass.IO,
    PartName.COPY_P2P: BottleneckClass.IO,
    PartName.COLLECTIVE: BottleneckClass.IO,
    PartName.IDLE_HOST: BottleneckClass.SCHEDULING,
    PartName.IDLE_SYNC: BottleneckClass.SCHEDULING,
    PartName.IDLE_LAUNCH_GAP: BottleneckClass.SCHEDULING,
    PartName.IDLE_OTHER_STREAM: BottleneckClass.SCHEDULING,
    PartName.IDLE_INPUT: BottleneckClass.IO,
    PartName.IDLE_STAGING: BottleneckClass.IO,
    PartName.IDLE_NOTHING_ASKED: BottleneckClass.SCHEDULING,
}
