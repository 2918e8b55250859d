"""What a trace's time was spent on, for its device alone and for a verdict: exclusive parts that sum to the span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from profiler.report.analysis import PartName, TracePart
from profiler.report.records import Share, Verdict
from profiler.report.roofline import KernelRoofline
from profiler.report.trace_advice import TraceAdvice
from profiler.trace.accounting import Accounting
from profiler.trace.timeline import Activity, DeviceEvents, Ints

OTHER_PARTS = {
    Activity.D2D: PartName.COPY_WITHIN_DEVICE,
    Activity.MEMSET: PartName.COPY_WITHIN_DEVICE,
    Activity.H2D: PartName.COPY_H2D,
    Activity.D2H: PartName.COPY_D2H,
    Activity.P2P: PartName.COPY_P2P,
    Activity.COLLECTIVE: PartName.COLLECTIVE,
}


class TracedJudgement(Struct, frozen=True):
    """What one trace says: parts that sum to its span, shares (none where refused), verdict, slowest kernels, advice.

    `doubt` is what makes an inconclusive verdict so; None where two classes are too close to call.
    """

    parts: list[TracePart]
    shares: list[Share]
    verdict: Verdict
    kernels: list[KernelRoofline] = field(default_factory=list)
    advice: list[TraceAdvice] = field(default_factory=list)
    doubt: str | None = None


def parts_of_device(device: DeviceEvents, told: Accounting, own_ns: Ints) -> list[TracePart]:
    """The parts that the device's side alone tells: copies and collectives, and kernels and idle time as a whole."""
    total = dict.fromkeys(PartName, 0)
    total[PartName.IDLE_UNKNOWN] = told.idle_ns
    for kind in Activity:
        total[OTHER_PARTS.get(kind, PartName.KERNEL_UNKNOWN)] += int(own_ns[device.kind == kind].sum())
    return _longest_first(total, told.span_ns)


def traced_parts(
    names: Sequence[PartName], own_ns: Ints, idle_ns: Mapping[PartName, int], span_ns: int
) -> list[TracePart]:
    """The parts of a span: each device row's own time goes to its part of `names`, idle time where it belongs."""
    total = dict.fromkeys(PartName, 0)
    for name, ns in zip(names, own_ns.tolist(), strict=True):
        total[name] += ns
    for name, ns in idle_ns.items():
        total[name] += ns
    return _longest_first(total, span_ns)


def _longest_first(total: Mapping[PartName, int], span_ns: int) -> list[TracePart]:
    return [
        TracePart(part=name, class_=name.bottleneck_class, ns=ns, fraction=ns / span_ns)
        for name, ns in sorted(total.items(), key=lambda item: -item[1])
        if ns
    ]
