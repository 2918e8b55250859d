"""What the user asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from profiler.errors import UsageError
from profiler.workload.effort import NEW_TOKENS

MOST_SWEPT = 16
TRACE_SUFFIXES = (".json", ".json.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRequest:
    """One `bottleneck profile`. `effort` is quick, standard or thorough; `command` is what was typed, if it was.

    With `sweep` prefill and decode are timed over batch sizes and lengths, too: those given, or the usual ones.
    """

    model: str
    weights: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int = 1
    prompt_tokens: int = 512
    new_tokens: int = NEW_TOKENS["standard"]
    mode: str = "eager"
    attention: str = "auto"
    offload: str = "none"
    seed: int = 0
    effort: str = "standard"
    trust_remote_code: bool = False
    counters: bool = False
    trace_out: Path | None = None
    command: str | None = None
    sweep: bool = False
    sweep_batches: Sequence[int] | None = None
    sweep_lengths: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.effort not in NEW_TOKENS:
            raise UsageError(f"there is no effort {self.effort}", f"use one of {', '.join(NEW_TOKENS)}")
        if self.trace_out is not None and not self.trace_out.name.endswith(TRACE_SUFFIXES):
            raise UsageError(
                f"--trace-out {self.trace_out} is no name for a trace: what opens them wants .json or .json.gz",
                f"name it {self.trace_out.with_suffix('.json.gz').name}",
            )
        for option, values in (("--sweep-batches", self.sweep_batches), ("--sweep-lengths", self.sweep_lengths)):
            if values is None:
                continue
            if not self.sweep:
                raise UsageError(f"{option} says what to sweep, and there is no --sweep", "add --sweep")
            if not 1 <= len(values) <= MOST_SWEPT or min(values) < 1:
                raise UsageError(f"{option} takes 1 to {MOST_SWEPT} sizes of at least 1", f"{option} 1,8,32")
