"""Prompts of about so many tokens, for a server whose tokeniser is not known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

# Short everyday words: one token each in most vocabularies. Drawn anew for each request, so that no prompt begins as
# another does and a prefix cache has nothing to give.
_TEXT = (
    "time year people way day man thing woman life child world school state family student group country problem hand "
    "part place case week company system program question work government number night point home water room mother "
    "area money story fact month lot right study book eye job word business issue side kind head house service friend "
    "father power hour game line end member law car city name team minute idea body back parent face others level"
)
_WORDS = _TEXT.split()


@dataclass(frozen=True, slots=True)
class Tokeniser:
    """What the server was seen to count: so many tokens for an empty prompt, and for each word."""

    fixed_tokens: float = 0.0
    tokens_per_word: float = 1.0

    def prompt(self, request: int, tokens: int, seed: int) -> str:
        """Words that make about so many tokens; the same for the same request and seed."""
        words = max(round((tokens - self.fixed_tokens) / self.tokens_per_word), 1)
        drawn = random.Random(f"{seed}:{request}")
        return " ".join(drawn.choices(_WORDS, k=words))


def fitted_tokeniser(words: Sequence[int], tokens: Sequence[int]) -> Tokeniser:
    """The line through what two or more prompts were counted as."""
    few, many = min(range(len(words)), key=words.__getitem__), max(range(len(words)), key=words.__getitem__)
    if words[few] == words[many] or tokens[many] <= tokens[few]:
        return Tokeniser()
    slope = (tokens[many] - tokens[few]) / (words[many] - words[few])
    return Tokeniser(tokens[few] - slope * words[few], slope)
