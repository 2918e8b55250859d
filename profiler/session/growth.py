"""How a decode step grows with context: its time at a second context length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from profiler.errors import OutOfMemoryError
from profiler.measure.clean import measure_clean
from profiler.measure.plan import Plan
from profiler.progress import Progress
from profiler.report.records import Growth, Phase
from profiler.session.bench import Bench
from profiler.workload.fit import translating_torch_errors
from profiler.workload.phase import RunnablePhase, ShortenedPhase


def measure_growth(
    bench: Bench, decode: Phase, decode_at: Callable[[int], RunnablePhase | None], prompt_tokens: int
) -> Growth:
    """The growth of the measured `decode`; `decode_at` makes the decode after a prompt of another length.

    The second prompt is four times as long, or half as long where that is too long for the model or for the memory.
    """
    reason = "the model has no second context length to measure"
    if decode.context_tokens is None:
        return _missing(reason)
    for tokens in (4 * prompt_tokens, max(prompt_tokens // 2, 1)):
        try:
            with translating_torch_errors():
                other = decode_at(tokens)
                if other is not None:
                    told = _AfterPrompt(bench.progress, tokens)
                    return _between(replace(bench, progress=told), decode, decode.context_tokens, other)
        except OutOfMemoryError as error:
            reason = f"no second context length fits: {error.message}"
        other = None  # and its cache, now that no traceback holds them
        bench.device.empty_cache()
    return _missing(reason)


@dataclass(frozen=True, slots=True)
class _AfterPrompt:
    """Progress whose stages say after which prompt: the same phase was measured after another one."""

    progress: Progress
    prompt_tokens: int

    def stage(self, label: str, total: int | None = None, *, seconds: float | None = None) -> None:
        """The stage, with the prompt."""
        self.progress.stage(f"{label} after a prompt of {self.prompt_tokens:,} tokens", total, seconds=seconds)

    def advance(self, steps: int = 1) -> None:
        """As it is."""
        self.progress.advance(steps)

    def note(self, text: str) -> None:
        """As it is."""
        self.progress.note(text)


def _between(bench: Bench, decode: Phase, context_tokens: int, other: RunnablePhase) -> Growth:
    quick = replace(Plan.quick(), repeats=min(bench.plan.repeats, Plan.quick().repeats))
    passed = measure_clean(other, bench.device, bench.clock, quick, bench.progress)
    shape = ShortenedPhase(other, passed.cycle).shape
    there_tokens = shape.context_tokens if shape else context_tokens
    if there_tokens == context_tokens:
        return _missing("the model has no second context length to measure")
    here, there = decode.clean.wall_ms, passed.clean.wall_ms
    thousands = (there_tokens - context_tokens) / 1000
    slopes = (_slope(there.low, here.high, thousands), _slope(there.high, here.low, thousands))
    low, high = slopes if thousands > 0 else slopes[::-1]
    return Growth(
        ms_per_1000_tokens=(there.median - here.median) / thousands,
        context_tokens=[context_tokens, there_tokens],
        wall_ms=[here.median, there.median],
        low=low,
        high=high,
    )


def _slope(there_ms: float | None, here_ms: float | None, thousands: float) -> float | None:
    return None if there_ms is None or here_ms is None else (there_ms - here_ms) / thousands


def _missing(reason: str) -> Growth:
    return Growth(ms_per_1000_tokens=None, context_tokens=[], wall_ms=[], missing=reason)
