"""What to record for a verdict that this trace cannot carry, or not clearly."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.attribute.unknown_kernels import Reason
from profiler.report.source import Source
from profiler.report.trace_advice import TraceAdvice
from profiler.trace.integrity import Finding, Severity

_MORE_WARM_UP = (
    "record fewer steps, after some that are not kept (schedule(wait=1, warmup=2, active=3)), so that nothing is lost"
)
_UNCHANGED = "record it again with a recent PyTorch, and analyze the file as it was written"
_RECORD_GPU = "record the GPU, too (ProfilerActivity.CUDA)"
_BY_FINDING = {
    "cut_off": "record it again, and let the profiler finish before the process ends; or copy the file again, whole",
    "no_device_events": _RECORD_GPU,
    "under_recorded": _MORE_WARM_UP,
    "replays_cut_short": _MORE_WARM_UP,
}
_NO_GAIN = "it makes the answer sure, not the program fast"
_MOST_ADVICE = 2  # a trace is recorded again once, whatever the number of reasons


def for_findings(findings: Sequence[Finding]) -> list[TraceAdvice]:
    """Of a trace whose flaws leave no verdict: how to record one without them."""
    fatal = [finding for finding in findings if finding.severity is Severity.FATAL]
    actions = {_BY_FINDING.get(finding.code, _UNCHANGED): finding.message for finding in reversed(fatal)}
    return [_advice(action, why) for action, why in reversed(actions.items())][:_MOST_ADVICE]


def for_no_device() -> TraceAdvice:
    """Of a trace without work of a device."""
    action = (
        "record it where a GPU works, and both sides: "
        "profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], record_shapes=True, with_stack=True)"
    )
    why = (
        "what holds a GPU back is seen on the GPU; what holds a CPU back, `bottleneck profile MODEL --device cpu` tells"
    )
    return _advice(action, why)


def for_unknown(found: Sequence[Reason], busy_ns: int) -> list[TraceAdvice]:
    """Of kernels of which nobody knows what limits them: what tells, by why that is so."""
    told = [
        _advice(each.why.next_step, f"{each.ns / busy_ns:.0%} of the busy time is in kernels {each.why}")
        for each in found
    ]
    return told[:_MOST_ADVICE]


def for_ceilings(why: str) -> TraceAdvice:
    """Of a device whose ceilings are not known, and why."""
    action = (
        "name it with --device, or profile any model where it ran (bottleneck profile tiny -o report.json), and analyze"
    )
    return _advice(f"{action} with --ceilings report.json", why)


def for_doubt(span_ns: int) -> TraceAdvice:
    """Of a verdict that hinges on how much the tracer slowed the host."""
    return _advice(
        "time the same steps without the profiler; `bottleneck profile` does both",
        f"if they take about as long as the {span_ns / 1e6:,.3g} ms here, it is the host; if far less, the tracer",
    )


def for_pauses(fraction: float) -> TraceAdvice:
    """Of a trace that is mostly pauses, in which the program did something else."""
    action = "look at the steps alone: at the phases here, or with --step or --from and --to"
    return _advice(
        action, f"nothing was asked of the GPU {fraction:.0%} of the time, which no speed of the host explains"
    )


def for_replay() -> TraceAdvice:
    """Of a trace whose dependencies could not be replayed."""
    return _advice("record a few whole steps, CPU and GPU (schedule(wait=1, warmup=2, active=3))", "")


def _advice(action: str, why: str) -> TraceAdvice:
    return TraceAdvice(action=action, why=why, sources={"speedup": Source(missing=_NO_GAIN)})
