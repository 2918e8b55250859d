"""What of a trace is looked at: all of it, or the part that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from profiler.errors import UnreadableError
from profiler.report.trace_phases import Window
from profiler.trace.integrity import Finding, check
from profiler.trace.narrowing import Narrowing
from profiler.trace.step_table import StepTable
from profiler.trace.timeline import Timeline
from profiler.trace.window import window


class LookedAt(Struct, frozen=True):
    """`timeline` is what is accounted for, and `followed` the same with what starts next on the device.

    `whole` is the trace that it is a part of, `findings` are its flaws, `steps` those that lie in it.
    """

    name: str
    whole: Timeline
    timeline: Timeline
    followed: Timeline
    findings: list[Finding]
    steps: StepTable | None
    window: Window | None = None


def looked_at(
    name: str, whole: Timeline, findings: list[Finding], narrowing: Narrowing | None, *, with_steps: bool
) -> LookedAt:
    """All of a trace, or what was asked for. Raises `UnreadableError` where the trace has no such part.

    `findings` are the flaws of the whole.
    """
    if not len(whole.device):
        return LookedAt(name, whole, whole, whole, findings, None)
    steps = None
    if with_steps:  # who asks for the parts alone need not import it
        from profiler.trace.steps_found import find_steps

        steps = find_steps(whole)
    if narrowing is None:
        return LookedAt(name, whole, whole, whole, findings, steps)
    try:
        start, end = narrowing.window_ns(whole, steps)
    except UnreadableError as error:
        raise type(error)(f"{name}: {error.message}", error.hint) from error
    part, zero = window(whole, start, end), whole.device.span_ns[0]
    return LookedAt(
        name=name,
        whole=whole,
        timeline=part,
        followed=window(whole, start, end, followed=True),
        findings=with_fatal(findings, check(part), (start, end)),
        steps=None if steps is None else steps.within(start, end),
        window=Window(from_ns=start - zero, to_ns=end - zero),
    )


def with_fatal(of_all: Sequence[Finding], of_part: Sequence[Finding], part_ns: tuple[int, int]) -> list[Finding]:
    """The flaws of the part of a trace between two times, after those of all of it that leave this, too, no verdict."""
    fatal = [finding for finding in of_all if finding.spoils(*part_ns)]
    known = {finding.code for finding in fatal}
    return [*fatal, *(finding for finding in of_part if finding.code not in known)]
