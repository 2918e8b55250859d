"""Costs from a measured surface: between its points on straight lines, beyond its edges along the last of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from profiler.errors import UnreadableError
from profiler.report.cost_surface import CostSurface, MixedCost
from profiler.serving.costs import Chunk
from profiler.serving.grid import Floats, Grid, Line

_NS_PER_MS = 1e6


class SurfaceCosts:
    """An engine's iterations at the speeds of a surface.

    An iteration that prefills and decodes reads the weights once: it takes as long as its prefill and its decode step
    less what they share, and what the prompt's tokens take with the contexts of the others where the engine packs both.
    These two come from the mixed iterations that were measured; without any they are the cheapest time of the surface
    and nothing. Chunks of several prompts cost as one prefill of as many prompts of their
    mean length. Of more prompts than were measured at once, as several such prefills or as one of longer prompts,
    whichever is less: the first counts the weights too often, the second attention between strangers. A chunk that
    follows `c` tokens costs what the prompt takes with it less what it takes without, and no less than on its own.

    Raises `UnreadableError` for a surface with holes in its grid or times that are not positive.
    """

    prefill_gives_token = True

    def __init__(self, surface: CostSurface) -> None:
        prefill = ((point.batch_size, point.prompt_tokens, point.ms * _NS_PER_MS) for point in surface.prefill)
        decode = ((point.batch_size, point.context_tokens, point.ms * _NS_PER_MS) for point in surface.decode)
        self._prefill, self._decode = Grid.of("prefill", prefill), Grid.of("decode", decode)
        self._cheapest_ns = min(self._prefill.least, self._decode.least)
        self._decode_lines: dict[int, Line] = {}
        self._prefill_lines = {size: self._prefill.line(size) for size in range(1, self._prefill.batch_sizes[-1] + 1)}
        self._longest = 0.0
        self._shared_ns, self._pair_ns = self._cheapest_ns, 0.0
        if len(surface.mixed) > 1:
            self._shared_ns, self._pair_ns = self._mixed(surface.mixed)

    def iteration_ns(self, chunks: Sequence[Chunk], batch: int, context_tokens: int) -> int:
        """Prefill, decode step, or both."""
        took = self._prefill_ns(chunks) if chunks else 0.0
        if batch:
            took += self._line(batch).at(context_tokens / batch)
        if chunks and batch:
            took += self._pair_ns * context_tokens * sum(tokens for tokens, _ in chunks) - self._shared_ns
        return max(round(took), 1)

    def steps_ns(self, batch: int, context_tokens: int, steps: int) -> int:
        """The area under the line over their mean contexts, which is their sum wherever it is straight."""
        begin = context_tokens / batch - 0.5
        self._longest = max(self._longest, begin + steps)
        return max(round(self._line(batch).integral(begin, begin + steps)), steps)

    def steps_begun(self, batch: int, context_tokens: int, within_ns: int) -> int:
        """The least number of steps that takes so long."""
        line, begin = self._line(batch), context_tokens / batch - 0.5
        steps = max(int(within_ns / line.at(begin)), 1)
        while (lacks := within_ns - line.integral(begin, begin + steps)) > 0:
            steps += max(int(lacks / line.at(begin + steps)), 1)
        while steps > 1 and (over := line.integral(begin, begin + steps - 1) - within_ns) >= 0:
            steps -= min(max(int(over / line.at(begin + steps)), 1), steps - 1)
        return steps

    def alone_ns(self, prompt_tokens: NDArray[np.int64], output_tokens: NDArray[np.int64]) -> Floats:
        """Both phases along the lines of one sequence."""
        prompt, line = prompt_tokens.astype(np.float64), self._line(1)
        begin = prompt + 0.5
        found: Floats = self._prefill_lines[1].values_at(prompt)
        found += line.areas_to(begin + output_tokens.astype(np.float64) - 1) - line.areas_to(begin)
        return found

    def beyond(self, longest_prompt: int) -> list[str]:
        """Where the simulation went beyond what was measured, in words."""
        largest, found = max(self._decode_lines, default=0), []
        if largest > self._decode.batch_sizes[-1]:
            found.append(f"batches of up to {largest}, measured up to {self._decode.batch_sizes[-1]}")
        if self._longest > self._decode.lines[0].knots[-1] + 1:
            found.append(
                f"mean contexts of up to {self._longest:,.0f}, measured to {self._decode.lines[0].knots[-1]:,.0f}"
            )
        if longest_prompt > self._prefill.lines[0].knots[-1]:
            found.append(f"prompts of up to {longest_prompt:,}, measured to {self._prefill.lines[0].knots[-1]:,.0f}")
        return found

    def _mixed(self, points: Sequence[MixedCost]) -> tuple[float, float]:
        """What prefill and decode step share, and the time of a pair of a prompt's token and another's context.

        By least squares over the distance from their sum, relative to the time that was measured; neither is negative.
        Raises `UnreadableError` for times that are not positive.
        """
        for point in points:
            if not (isfinite(point.ms) and min(point.ms, point.prompt_tokens, point.batch_size) > 0):
                raise UnreadableError("the cost surface's time of a mixed iteration makes no sense")
        measured = np.array([point.ms * _NS_PER_MS for point in points])
        apart = np.array(
            [
                self._prompts_ns(1, point.prompt_tokens) + self._line(point.batch_size).at(point.context_tokens)
                for point in points
            ]
        )
        pairs = np.array(
            [point.prompt_tokens * point.batch_size * point.context_tokens for point in points], np.float64
        )
        sides = np.stack([-np.ones(len(points)), np.array(pairs)], axis=1) / measured[:, None]
        shared, pair = np.linalg.lstsq(sides, (measured - apart) / measured, rcond=None)[0].tolist()
        return min(max(shared, 0.0), self._cheapest_ns), max(pair, 0.0)

    def _line(self, batch: int) -> Line:
        line = self._decode_lines.get(batch)
        if line is None:
            line = self._decode_lines[batch] = self._decode.line(batch)
        return line

    def _prefill_ns(self, chunks: Sequence[Chunk]) -> float:
        prompts = len(chunks)
        tokens = sum(chunk for chunk, _ in chunks) / prompts
        before = sum(there for _, there in chunks) / prompts
        alone = self._prompts_ns(prompts, tokens)
        if not before:
            return alone
        return max(alone, self._prompts_ns(prompts, before + tokens) - self._prompts_ns(prompts, before))

    def _prompts_ns(self, prompts: int, tokens: float) -> float:
        line = self._prefill_lines.get(prompts)
        if line is not None:
            return line.at(tokens)
        most = self._prefill.batch_sizes[-1]
        line, times = self._prefill_lines[most], prompts / most
        return min(times * line.at(tokens), line.at(times * tokens))
