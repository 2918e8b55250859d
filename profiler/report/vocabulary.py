"""The words of a verdict: classes, causes, resources and tiers. One word, one meaning, everywhere."""

from __future__ import annotations

from enum import StrEnum


class BottleneckClass(StrEnum):
    """What a verdict names."""

    MEMORY = "memory"
    COMPUTE = "compute"
    IO = "io"
    SCHEDULING = "scheduling"


class Cause(StrEnum):
    """Why a part of the wall time was spent; its first half is its class."""

    MEMORY_WEIGHTS = "memory.weights"
    MEMORY_KV_CACHE = "memory.kv_cache"
    MEMORY_ACTIVATIONS = "memory.activations"
    MEMORY_COPY = "memory.copy"
    MEMORY_CAPACITY = "memory.capacity"
    COMPUTE_TENSOR = "compute.tensor"
    COMPUTE_ISSUE = "compute.issue"
    IO_H2D = "io.h2d"
    IO_D2H = "io.d2h"
    IO_DISK = "io.disk"
    IO_INPUT = "io.input"
    IO_COLLECTIVE = "io.collective"
    SCHEDULING_HOST = "scheduling.host"
    SCHEDULING_SYNC = "scheduling.sync"
    SCHEDULING_LAUNCH_GAP = "scheduling.launch_gap"
    SCHEDULING_SMALL_KERNELS = "scheduling.small_kernels"
    SCHEDULING_STREAM_IMBALANCE = "scheduling.stream_imbalance"
    SCHEDULING_QUEUE = "scheduling.queue"
    SCHEDULING_BATCH_HOLES = "scheduling.batch_holes"
    SCHEDULING_HEAD_OF_LINE = "scheduling.head_of_line"

    @property
    def bottleneck_class(self) -> BottleneckClass:
        """The class that this cause belongs to."""
        return BottleneckClass(self.value.partition(".")[0])


class Resource(StrEnum):
    """A speed that could be other than it is."""

    DRAM = "dram"
    TENSOR = "tensor"
    ISSUE = "issue"
    PCIE = "pcie"
    DISK = "disk"
    LINK = "link"
    HOST = "host"
    LATENCY = "latency"

    @property
    def bottleneck_class(self) -> BottleneckClass:
        """The class that this resource belongs to."""
        return _CLASS_OF_RESOURCE[self]


_CLASS_OF_RESOURCE = {
    Resource.DRAM: BottleneckClass.MEMORY,
    Resource.TENSOR: BottleneckClass.COMPUTE,
    Resource.ISSUE: BottleneckClass.COMPUTE,
    Resource.PCIE: BottleneckClass.IO,
    Resource.DISK: BottleneckClass.IO,
    Resource.LINK: BottleneckClass.IO,
    Resource.HOST: BottleneckClass.SCHEDULING,
    Resource.LATENCY: BottleneckClass.SCHEDULING,
}


class Tier(StrEnum):
    """Where a number comes from, best first."""

    COUNTER = "counter"
    DRIVER = "driver"
    TIMELINE = "timeline"
    ANALYTIC = "analytic"
    HOST = "host"
    DATASHEET = "datasheet"


class VerdictState(StrEnum):
    """How far a verdict can be trusted."""

    CLEAR = "clear"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"
