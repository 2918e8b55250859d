"""Which part of a trace to look at: some of its steps, or what lies between two times."""

from __future__ import annotations

from msgspec import Struct

from profiler.errors import UnreadableError
from profiler.trace.step_table import StepTable
from profiler.trace.timeline import Timeline


class NothingThereError(UnreadableError):
    """The trace has nothing in the part that was asked for."""


class Narrowing(Struct, frozen=True):
    """What was asked for; both where both were. Times count from the first start on the device."""

    first_step: int | None = None
    last_step: int | None = None
    from_ns: int | None = None
    to_ns: int | None = None

    @property
    def needs_steps(self) -> bool:
        """Whether steps were asked for."""
        return self.first_step is not None

    @property
    def by_time(self) -> bool:
        """Whether times were asked for."""
        return self.from_ns is not None or self.to_ns is not None

    def window_ns(self, timeline: Timeline, steps: StepTable | None) -> tuple[int, int]:
        """Start and end on the trace's clock. Raises `NothingThereError` where the trace has no such part."""
        zero, end = timeline.device.span_ns
        start, span_ms = zero, (end - zero) / 1e6
        within = f"it lasts {span_ms:.6g} ms"
        if self.first_step is not None and self.last_step is not None:
            start, end = _steps(steps, self.first_step, self.last_step)
            within = (
                f"the steps that were asked for last from {(start - zero) / 1e6:.6g} to {(end - zero) / 1e6:.6g} ms"
            )
        if self.from_ns is not None:
            start = max(start, zero + self.from_ns)
        if self.to_ns is not None:
            end = min(end, zero + self.to_ns)
        if start >= end:
            raise NothingThereError(f"nothing of it lies there: {within}", f"--from 0ms --to {span_ms:.6g}ms")
        if not ((timeline.device.start_ns < end) & (timeline.device.end_ns > start)).any():
            idle = f"{(start - zero) / 1e6:.6g} to {(end - zero) / 1e6:.6g} ms"
            raise NothingThereError(f"its GPU is idle from {idle}", "a longer part, with --from and --to")
        return start, end


def _steps(steps: StepTable | None, first: int, last: int) -> tuple[int, int]:
    if steps is None or not len(steps):
        raise NothingThereError(
            "no steps were found in it: no range marks them, and the GPU does not repeat itself", "--from and --to"
        )
    most = len(steps) - 1
    if last > most:
        asked = f"no step {first}" if first == last else f"no steps {first} to {last}"
        numbered = f"its steps are numbered 0 to {most}" if most else "its only step is number 0"
        nearest = first if first <= most else 0
        raise NothingThereError(f"it has {asked}: {numbered}", f"--step {_run(nearest, most)}")
    return int(steps.start_ns[first]), int(steps.end_ns[last])


def _run(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{last}"
