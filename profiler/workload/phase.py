"""What the measurement passes ask of a phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


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
