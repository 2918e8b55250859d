"""Which part of a trace to look at: some of its steps, or what lies between two times."""

from __future__ import annotations

from dataclasses import dataclass

from profiler.errors import UnreadableError
from profiler.trace.step_table import StepTable
from profiler.trace.timeline import Timeline


class NothingThereError(UnreadableError):
    """The trace has nothing in the part that was asked for."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What was asked for; both where both were. Times count from the first start on the device."""

    first_step: int | None = None
    last_step: int | None = None
    from_ns: int | None = None
    to_ns: int | None = None

    @property
    def needs_steps(self) -> bool:
        """Whether steps were asked for."""
        return self.first_step is not None

    def window_ns(self, timeline: Timeline, steps: StepTable | None) -> tuple[int, int]:
        """Start and end on the trace's clock. Raises `NothingThereError` where the trace has no such part."""
        zero, end = timeline.device.span_ns
        start, whole = zero, end - zero
        if self.first_step is not None and self.last_step is not None:
            start, end = _steps(steps, self.first_step, self.last_step)
        if self.from_ns is not None:
            start = max(start, zero + self.from_ns)
        if self.to_ns is not None:
            end = min(end, zero + self.to_ns)
        busy = (timeline.device.start_ns < end) & (timeline.device.end_ns > start)
        if start >= end or not busy.any():
            last = f"the trace spans {whole / 1e6:.6g} ms" + (", and no step reaches there" if self.needs_steps else "")
            raise NothingThereError(
                f"no GPU works between {(start - zero) / 1e6:.6g} and {(end - zero) / 1e6:.6g} ms: {last}",
                f"--from 0ms --to {whole / 1e6:.6g}ms",
            )
        return start, end


def _steps(steps: StepTable | None, first: int, last: int) -> tuple[int, int]:
    if steps is None or not len(steps):
        raise NothingThereError(
            "no steps were found in it: no range marks them, and the GPU does not repeat itself", "--from and --to"
        )
    most = len(steps) - 1
    if last > most:
        asked = f"no step {first}" if first == last else f"no steps {first} to {last}"
        raise NothingThereError(f"it has {asked}: its steps are 0 to {most}", f"--step {min(first, most)}-{most}")
    return int(steps.start_ns[first]), int(steps.end_ns[last])
