"""Requests that nobody logged: typed in a line, or drawn at a rate with lengths of a distribution."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiler.errors import UsageError
from profiler.serving.log import MOST_NS, MOST_TOKENS, SIZES, RequestLog, Rows, flaw
from profiler.serving.request_file import shortened

# Digits as many as 64 bits hold; what has more is no number that anybody meant.
_INLINE = re.compile(r"(\d{1,18}):(\d{1,18})(?:@(\d{1,18}(?:\.\d{1,18})?))?")
# What begins like a request is meant as one, and no file's name.
_LIKE_INLINE = re.compile(r"\s*[-+.]?\d[^:/]*:")
_TYPED = "PROMPT:OUTPUT or PROMPT:OUTPUT@SECONDS, in digits, such as 500:100@1.5"
_NS_PER_S = 10**9
LENGTHS = "N, uniform:LOW:HIGH, exponential:MEAN or lognormal:MEDIAN:SIGMA"


def is_inline(text: str) -> bool:
    """Whether requests are typed here: PROMPT:OUTPUT or PROMPT:OUTPUT@SECONDS, with commas between them."""
    return all(_INLINE.fullmatch(each.strip()) for each in text.split(","))


def like_inline(text: str) -> bool:
    """Whether requests are meant, well typed or not."""
    return any(_LIKE_INLINE.match(each) for each in text.split(","))


def inline_requests(text: str) -> RequestLog:
    """What was typed; without a time, at 0. Raises `UsageError` for anything else, with the first that is wrong."""
    rows = Rows()
    for each in text.split(","):
        match = _INLINE.fullmatch(each.strip())
        if match is None:
            raise UsageError(f"{shortened(each)!r} is no request", _TYPED)
        prompt, output, seconds = match.groups()
        arrival_ns = round(float(seconds or 0) * _NS_PER_S)
        if cause := flaw(0, int(prompt), int(output)):
            raise UsageError(f"{each.strip()} is a request {cause}", SIZES)
        if arrival_ns > MOST_NS:
            raise UsageError(f"{each.strip()} is a request that comes after over ten years", _TYPED)
        rows.add(arrival_ns, int(prompt), int(output))
    return rows.log("what was typed")


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of lengths in tokens: a constant, uniform, exponential or log-normal one, rounded, at least 1."""

    kind: str
    first: float
    second: float = 0.0

    @classmethod
    def parsed(cls, text: str) -> Lengths:
        """From `LENGTHS`. Raises `UsageError`."""
        kind, *numbers = text.split(":")
        try:
            values = [float(number) for number in numbers]
            if not numbers:
                kind, values = "constant", [float(kind)]
        except ValueError:
            kind, values = "", []
        needed = {"constant": 1, "uniform": 2, "exponential": 1, "lognormal": 2}.get(kind)
        meant = len(values) == needed and all(math.isfinite(value) for value in values)
        if meant and 1 <= values[0] <= MOST_TOKENS:
            least, most = (values[0], MOST_TOKENS) if kind == "uniform" else (0, 10)
            if all(least <= value <= most for value in values[1:]):
                return cls(kind, *values)
        raise UsageError(f"{shortened(text)!r} is no distribution of lengths", LENGTHS)

    def drawn(self, number: int, random: np.random.Generator) -> NDArray[np.int64]:
        """So many of them."""
        match self.kind:
            case "uniform":
                drawn = random.uniform(self.first - 0.5, self.second + 0.5, number)
            case "exponential":
                drawn = random.exponential(self.first, number)
            case "lognormal":
                drawn = random.lognormal(math.log(self.first), self.second, number)
            case _:
                drawn = np.full(number, self.first)
        return np.clip(np.rint(drawn), 1, MOST_TOKENS).astype(np.int64)


def generated_requests(
    rate_per_s: float, number: int, prompt: Lengths, output: Lengths, *, burstiness: float, seed: int
) -> RequestLog:
    """So many requests at that mean rate.

    Gaps are gamma-distributed with `burstiness` as their shape, as in vLLM's benchmark: 1 is a Poisson process, less
    comes in bursts, more is more even. The same seed gives the same requests.
    Raises `UsageError` where they would come over more than ten years.
    """
    random = np.random.default_rng(seed)
    gaps = random.gamma(burstiness, 1 / (rate_per_s * burstiness), number)
    gaps[0] = 0.0
    arrivals = np.cumsum(gaps) * _NS_PER_S
    if arrivals[-1] > MOST_NS:
        raise UsageError(f"{number:,} requests at {rate_per_s:g} a second come over ten years", "a higher --rate")
    arrival_ns = np.rint(arrivals).astype(np.int64)
    nothing = np.zeros(number, np.int64)
    return RequestLog(arrival_ns, prompt.drawn(number, random), output.drawn(number, random), nothing, nothing[:0])
