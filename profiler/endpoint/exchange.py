"""One request as it went: times by the client's clock, tokens, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from profiler.report.endpoint import Ending

# A server that streams so many times what was asked for will not stop by itself.
_MOST_OVERRUN, _SPARE_TOKENS = 2, 16


@dataclass(slots=True)
class Exchange:
    """Times in ns of one monotonic clock. `token_ns` is when each chunk that holds tokens came.

    By vLLM's definitions e2e and TTFT count from `began_ns`, when the request is handed to the network; from `due_ns`
    to there it waits in the client. `last_ns` is the last chunk that answers, not the end of the connection.
    """

    request: int
    prompt_tokens: int
    most_tokens: int
    due_ns: int
    began_ns: int
    connect_ns: int = 0
    token_ns: list[int] = field(default_factory=list)
    last_ns: int = 0
    ended_ns: int = 0
    ending: Ending = Ending.OK
    status: int | None = None
    detail: str = ""
    said_prompt_tokens: int | None = None
    said_output_tokens: int | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.ending is Ending.OK

    @property
    def output_tokens(self) -> int:
        """As the server says, else the chunks that came."""
        return self.said_output_tokens if self.said_output_tokens is not None else len(self.token_ns)

    @property
    def input_tokens(self) -> int:
        """As the server says, else as was asked for."""
        return self.said_prompt_tokens if self.said_prompt_tokens is not None else self.prompt_tokens

    @property
    def ttft_ns(self) -> int:
        """To the first token; only of one that ended well."""
        return self.token_ns[0] - self.began_ns

    @property
    def e2e_ns(self) -> int:
        """To the last token; only of one that ended well."""
        return self.last_ns - self.began_ns

    @property
    def tpot_ns(self) -> float | None:
        """Time for each token after the first; None for a single one."""
        gaps = self.output_tokens - 1
        return (self.e2e_ns - self.ttft_ns) / gaps if gaps > 0 else None

    @property
    def overran(self) -> bool:
        """Whether so much more came than was asked for that the server will not stop."""
        return len(self.token_ns) > _MOST_OVERRUN * self.most_tokens + _SPARE_TOKENS


def ended_well(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Those whose latencies count."""
    return [each for each in exchanges if each.ok]
