"""A phase under the hardware counters: the pass, what follows from it, and its record; or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from profiler.attribute.counted import Counted, CountersUnusable, Estimate, count_kernels
from profiler.attribute.merged_counts import with_units
from profiler.clock import Clock
from profiler.device.base import Device
from profiler.measure.counted_pass import MARKER_BYTES, MARKER_COPIES, record_counted
from profiler.measure.counted_pass import Counters as Sampled
from profiler.measure.counters.source import Counter, CounterGroup
from profiler.report.counters import CountedAmount, CountedKernel, Counters, CounterSeries
from profiler.report.records import ReportWarning
from profiler.session.bench import Bench
from profiler.trace.kineto import read_kineto
from profiler.workload.phase import RunnablePhase

_ATTEMPTS = 3  # of each group
_NOTHING = "nothing was counted"
NOT_ASKED = "not asked for (--counters)"


@dataclass(frozen=True, slots=True)
class CountedPhase:
    """What the counters say of a phase; where they say nothing, `missing` says why.

    `notes` are what else somebody who asked for counters must hear: what is not among them, and what was tried.
    """

    counted: Counted | None = None
    missing: str = NOT_ASKED
    notes: tuple[str, ...] = ()

    def record(self) -> Counters | None:
        """The report's."""
        return None if self.counted is None else _record(self.counted)

    def warnings(self, phase: str) -> list[ReportWarning]:
        """A refusal that somebody who asked for counters must hear of, and what was given up on the way."""
        notes = [ReportWarning(code="counters_limited", message=note, phase=phase) for note in self.notes]
        if self.counted is not None or self.missing == NOT_ASKED:
            return notes
        message = f"no hardware counters, so bytes are those of the operations' shapes: {self.missing}"
        return [ReportWarning(code="no_counters", message=message, phase=phase), *notes]


def count_phase(bench: Bench, phase: RunnablePhase) -> CountedPhase:
    """Run the counted passes, if counters were asked for. They trace, so nothing may be timed after them."""
    if bench.counters is None:
        return CountedPhase()
    bench.progress.stage(f"{phase.name}: counting")
    return count(phase, bench.device, bench.counters, bench.clock)


@dataclass(slots=True)
class _Recorded:
    """One group of counters: what was found, or why nothing was. Ways of sampling that were given up in between."""

    counted: Counted | None = None
    reason: str = _NOTHING
    is_refused: bool = False  # counting did not even begin
    given_up: list[str] = field(default_factory=list)


def count(phase: RunnablePhase, device: Device, counters: Sampled, clock: Clock) -> CountedPhase:
    """What was counted of the phase, in a recording of its traffic and another of its units; or why nothing was."""
    traffic = _count_group(phase, device, counters, clock, CounterGroup.TRAFFIC)
    if traffic.is_refused:
        return CountedPhase(missing=traffic.reason, notes=_given_up(traffic))
    units = _count_group(phase, device, counters, clock, CounterGroup.UNITS)
    notes = _given_up(traffic, units)
    if units.counted is None:
        notes = (f"no counters of matrix pipes, instructions and PCIe: {units.reason}", *notes)
        return CountedPhase(traffic.counted, traffic.reason, notes)
    if traffic.counted is None:  # the units' recording counts bytes, too, only less finely
        return CountedPhase(units.counted, notes=(f"bytes are counted less finely: {traffic.reason}", *notes))
    return CountedPhase(with_units(traffic.counted, units.counted), notes=notes)


def _count_group(
    phase: RunnablePhase, device: Device, counters: Sampled, clock: Clock, group: CounterGroup
) -> _Recorded:
    """One group. A recording that lost samples is made again, as the counters then sample in another way."""
    found = _Recorded()
    for _ in range(_ATTEMPTS):
        recorded = record_counted(phase, device, counters, clock, group)
        found.given_up = recorded.recording.given_up  # a refusal names them itself
        if recorded.trace is None:
            found.is_refused = found.reason == _NOTHING
            found.reason = recorded.failure or found.reason
            break
        try:
            found.counted = count_kernels(
                read_kineto(recorded.trace),
                recorded.recording,
                marker_bytes=MARKER_BYTES,
                marker_copies=MARKER_COPIES,
                iterations=recorded.iterations,
            )
            break
        except CountersUnusable as refusal:
            found.reason = str(refusal)
            if recorded.recording.failure is None:
                break
        except (ValueError, ArithmeticError) as error:  # counters must never cost the run that they stand beside
            found.reason = f"the samples make no sense: {error}"
            break
    return found


def _given_up(*recorded: _Recorded) -> tuple[str, ...]:
    return tuple(f"sampling given up: {way}" for one in recorded for way in one.given_up)


def _record(counted: Counted) -> Counters:
    whole, series = counted.whole, counted.series
    return Counters(
        iterations=counted.iterations,
        samples=counted.samples,
        sample_us=counted.sample_us,
        unit_sample_us=counted.unit_sample_us,
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
