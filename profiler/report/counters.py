"""What hardware counters say of a phase: `Phase.counters`, with `--counters` only."""

from __future__ import annotations

from msgspec import Struct, field


class CountedAmount(Struct, frozen=True, kw_only=True):
    """A number of one call of a kernel, and its standard error."""

    value: float
    error: float


class CountedKernel(Struct, frozen=True, kw_only=True):
    """One kernel, told apart by name and grid: what one call counted, by a regression over all samples.

    `tensor_active_ratio` and `issue_active_ratio` are parts of the call's time, averaged over all SMs: in which the
    matrix units worked, and of the instructions that could have been issued. None where the GPU lacks the counter.
    Its traffic was found to run from `lead_us` after its start to `tail_us` before its end.
    """

    name: str
    grid: tuple[int, int, int]
    calls: float
    us: float
    lead_us: float
    tail_us: float
    read_bytes: CountedAmount
    write_bytes: CountedAmount
    tensor_active_ratio: CountedAmount | None = None
    issue_active_ratio: CountedAmount | None = None


class CounterSeries(Struct, frozen=True, kw_only=True):
    """One iteration through time: columns of samples, `start_us` after the start of its first kernel.

    A rate is the mean of its sample; a column that the GPU lacks is empty.
    """

    start_us: list[float]
    read_gb_per_s: list[float]
    write_gb_per_s: list[float]
    tensor_active_ratio: list[float] = field(default_factory=list)
    issue_active_ratio: list[float] = field(default_factory=list)
    pcie_read_gb_per_s: list[float] = field(default_factory=list)
    pcie_write_gb_per_s: list[float] = field(default_factory=list)


class Counters(Struct, frozen=True, kw_only=True):
    """The counted pass. Bytes are of one iteration, whatever moved them; ratios are of its time on the device.

    `explained_ratio` is the part of the read bytes that `kernels` account for; `marker_misfit` is how far the samples
    of copies of known size were off, as a part of those, after they were laid onto the trace. Active ratios and PCIe
    are of a second recording, whose samples are `unit_sample_us` long; None where there was none.
    """

    iterations: int
    samples: int
    sample_us: float
    read_bytes: float
    write_bytes: float
    tensor_active_ratio: float | None
    issue_active_ratio: float | None
    pcie_read_bytes: float | None
    pcie_write_bytes: float | None
    explained_ratio: float
    marker_misfit: float
    kernels: list[CountedKernel]
    series: CounterSeries
    unit_sample_us: float | None = None
