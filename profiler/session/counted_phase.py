"""A phase under the hardware counters: the pass, what follows from it, and its record; or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from profiler.attribute.counted import Counted, CountersUnusable, Estimate, count_kernels
from profiler.device.base import Device
from profiler.measure.clean import Clock
from profiler.measure.counted_pass import MARKER_BYTES, MARKER_COPIES, record_counted
from profiler.measure.counted_pass import Counters as Sampled
from profiler.measure.counters.source import Counter
from profiler.report.counters import CountedAmount, CountedKernel, Counters, CounterSeries
from profiler.report.records import ReportWarning
from profiler.session.bench import Bench
from profiler.trace.kineto import read_kineto
from profiler.workload.phase import RunnablePhase

_ATTEMPTS = 3
NOT_ASKED = "not asked for (--counters)"


@dataclass(frozen=True, slots=True)
class CountedPhase:
    """What the counters say of a phase; where they say nothing, `missing` says why."""

    counted: Counted | None = None
    missing: str = NOT_ASKED

    def record(self) -> Counters | None:
        """The report's."""
        return None if self.counted is None else _record(self.counted)

    def warnings(self, phase: str) -> list[ReportWarning]:
        """A refusal that somebody who asked for counters must hear of."""
        if self.counted is not None or self.missing == NOT_ASKED:
            return []
        message = f"no hardware counters, so bytes are those of the operations' shapes: {self.missing}"
        return [ReportWarning(code="no_counters", message=message, phase=phase)]


def count_phase(bench: Bench, phase: RunnablePhase) -> CountedPhase:
    """Run the counted pass, if counters were asked for. It traces, so nothing may be timed after it."""
    if bench.counters is None:
        return CountedPhase()
    bench.progress.stage(f"{phase.name}: counting")
    found = count(phase, bench.device, bench.counters, bench.clock)
    return CountedPhase(missing=found) if isinstance(found, str) else CountedPhase(found)


def count(phase: RunnablePhase, device: Device, counters: Sampled, clock: Clock) -> Counted | str:
    """What was counted of the phase, or why nothing was.

    A recording that lost samples is made again: the counters then sample less, or less finely.
    """
    reason = "nothing was counted"
    for _ in range(_ATTEMPTS):
        recorded = record_counted(phase, device, counters, clock)
        if recorded.trace is None:
            return recorded.failure or reason
        try:
            return count_kernels(
                read_kineto(recorded.trace),
                recorded.recording,
                marker_bytes=MARKER_BYTES,
                marker_copies=MARKER_COPIES,
                iterations=recorded.iterations,
            )
        except CountersUnusable as refusal:
            reason = str(refusal)
            if recorded.recording.failure is None:
                break
        except (ValueError, ArithmeticError) as error:  # counters must never cost the run that they stand beside
            return f"the samples make no sense: {error}"
    return reason


def _record(counted: Counted) -> Counters:
    whole, series = counted.whole, counted.series
    return Counters(
        iterations=counted.iterations,
        samples=counted.samples,
        sample_us=counted.sample_us,
        read_bytes=whole[Counter.DRAM_READ],
        write_bytes=whole[Counter.DRAM_WRITE],
        tensor_active_ratio=whole.get(Counter.TENSOR_ACTIVE),
        issue_active_ratio=whole.get(Counter.ISSUE_ACTIVE),
        pcie_read_bytes=whole.get(Counter.PCIE_READ),
        pcie_write_bytes=whole.get(Counter.PCIE_WRITE),
        explained_ratio=counted.explained_ratio,
        marker_misfit=counted.misfit,
        kernels=[
            CountedKernel(
                name=kernel.key[0],
                grid=kernel.key[1],
                calls=kernel.calls,
                us=kernel.us,
                lead_us=kernel.lead_us,
                tail_us=kernel.tail_us,
                read_bytes=_amount(kernel.each[Counter.DRAM_READ]),
                write_bytes=_amount(kernel.each[Counter.DRAM_WRITE]),
                tensor_active_ratio=_optional(kernel.each.get(Counter.TENSOR_ACTIVE)),
                issue_active_ratio=_optional(kernel.each.get(Counter.ISSUE_ACTIVE)),
            )
            for kernel in counted.kernels
        ],
        series=CounterSeries(
            start_us=series.start_us,
            read_gb_per_s=series.rates[Counter.DRAM_READ],
            write_gb_per_s=series.rates[Counter.DRAM_WRITE],
            tensor_active_ratio=series.rates.get(Counter.TENSOR_ACTIVE, []),
            issue_active_ratio=series.rates.get(Counter.ISSUE_ACTIVE, []),
            pcie_read_gb_per_s=series.rates.get(Counter.PCIE_READ, []),
            pcie_write_gb_per_s=series.rates.get(Counter.PCIE_WRITE, []),
        ),
    )


def _amount(estimate: Estimate) -> CountedAmount:
    return CountedAmount(value=estimate.value, error=estimate.error)


def _optional(estimate: Estimate | None) -> CountedAmount | None:
    return None if estimate is None else _amount(estimate)
