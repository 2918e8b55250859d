"""What is counted, and what one recording of it holds."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field


class Counter(StrEnum):
    """One series of a recording: bytes in each sample, or the part of its time in which a unit was active."""

    DRAM_READ = "dram_read"  # bytes
    DRAM_WRITE = "dram_write"  # bytes
    TENSOR_ACTIVE = "tensor_active"  # part of the cycles of all SMs in which the matrix pipes worked
    ISSUE_ACTIVE = "issue_active"  # instructions issued, as a part of what all SMs could issue
    PCIE_READ = "pcie_read"  # bytes that the device read over the bus
    PCIE_WRITE = "pcie_write"  # bytes that the device wrote over the bus

    @property
    def is_bytes(self) -> bool:
        """Whether it counts bytes; else it is a part of the time."""
        return self not in (Counter.TENSOR_ACTIVE, Counter.ISSUE_ACTIVE)


class CounterGroup(StrEnum):
    """What one recording is for. Both count DRAM bytes, by which the samples are laid onto the trace."""

    TRAFFIC = "traffic"  # DRAM bytes, finely
    UNITS = "units"  # matrix pipes, instructions and PCIe, more coarsely


class CounterConfig(Struct, frozen=True, kw_only=True):
    """How finely to sample; the device keeps an interval of its own that is near."""

    interval_ns: int


class CounterRecording(Struct, frozen=True, kw_only=True):
    """Samples in the order of time, one after the other: `[start_ns[i], end_ns[i])` on a clock of their own.

    A counter that this GPU lacks is not in `values`. `failure` says why there is nothing, or no more; `given_up` which
    better ways of sampling were tried before, each with what was wrong with it.
    """

    start_ns: list[int] = field(default_factory=list)
    end_ns: list[int] = field(default_factory=list)
    values: dict[Counter, list[float]] = field(default_factory=dict)
    failure: str | None = None
    given_up: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.start_ns)
