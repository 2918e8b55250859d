"""What the measurement passes ask of a phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

# `iterations_per_reset` of a phase that never needs one: its iterations are all alike.
NO_RESET = 1 << 40


@dataclass(frozen=True, slots=True)
class PhaseShape:
    """The size of one iteration. Tokens count the whole batch."""

    batch_size: int
    query_tokens: int  # new tokens a sequence in one iteration: the prompt, or 1
    context_tokens: int  # tokens a sequence has in its cache before the iteration, averaged over the iterations
    cache_tokens: int  # slots a sequence that attention reads: context, or all of a static cache
    tokens_out: int  # tokens that one iteration yields to users, for the rate


class RunnablePhase(Protocol):
    """A phase that can be run again and again.

    One iteration ends when the host holds its token, as in a real generation loop, so it needs no extra
    synchronisation to be timed.
    """

    @property
    def name(self) -> str:
        """`prefill`, `decode`, or what the user called it."""

    @property
    def shape(self) -> PhaseShape | None:
        """Its size; None for a phase whose maker does not say."""

    @property
    def iterations_per_reset(self) -> int:
        """How many iterations may follow one `reset` (a decode fills its cache)."""

    def reset(self) -> None:
        """Prepare, outside the timed region: a fresh cache, a prefilled prompt."""

    def iterate(self) -> None:
        """Run one iteration to its end."""

    @property
    def launch(self) -> Callable[[], None] | None:
        """The iteration up to where the host would wait for its token; None where it cannot be split so."""

    @property
    def body(self) -> Callable[[], None] | None:
        """The same iteration launched op by op, where `iterate` replays a graph: gives kernels their operations."""


@dataclass(frozen=True, slots=True)
class ShortenedPhase:
    """A phase that is reset after fewer iterations than it allows: its contexts are those of these iterations."""

    whole: RunnablePhase
    iterations_per_reset: int

    @property
    def name(self) -> str:
        """That of the whole phase."""
        return self.whole.name

    @property
    def shape(self) -> PhaseShape | None:
        """The size of an iteration, with the context averaged over the iterations that are left."""
        shape = self.whole.shape
        if shape is None or self.whole.iterations_per_reset >= NO_RESET:
            return shape
        left_out = self.whole.iterations_per_reset - self.iterations_per_reset
        context = shape.context_tokens - shape.query_tokens * left_out // 2
        grows = shape.cache_tokens == shape.context_tokens  # and is not a static cache, which is read whole
        return replace(shape, context_tokens=context, cache_tokens=context if grows else shape.cache_tokens)

    @property
    def launch(self) -> Callable[[], None] | None:
        """That of the whole phase."""
        return self.whole.launch

    @property
    def body(self) -> Callable[[], None] | None:
        """That of the whole phase."""
        return self.whole.body

    def reset(self) -> None:
        """That of the whole phase."""
        self.whole.reset()

    def iterate(self) -> None:
        """That of the whole phase."""
        self.whole.iterate()
