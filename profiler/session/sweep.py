"""The cost surface of a model: prefill and decode timed over batch sizes and lengths, one clean pass a point."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import product
from statistics import fmean
from typing import Protocol

from profiler.errors import BottleneckError
from profiler.measure.clean import FEWEST_WARMUPS, measure_clean
from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.report.cost_surface import CostSurface, MixedCost
from profiler.report.records import Distribution, ReportWarning
from profiler.report.vocabulary import Tier
from profiler.session.bench import Bench
from profiler.session.sweep_grid import Size, SweepGrid
from profiler.session.swept_phase import SweptPhase, decode_costs, prefill_costs
from profiler.workload.fit import translating_torch_errors
from profiler.workload.phase import RunnablePhase

# What a phase, and one point of it, may take on a device of any speed. What would take longer is left out.
_PHASE_SECONDS, _POINT_SECONDS = 60.0, 20.0
_GRID_SECONDS = 45.0  # the rest is for what tests the grid
_RETAKES = 2
# An iteration that prefills beside a decode step took up to 1.8 times as long as both apart (ADR 35, last row).
_TOGETHER = 2.0


class Swept(Protocol):
    """What a sweep asks of a model."""

    def phase(self, name: str, size: Size) -> RunnablePhase:
        """`prefill` or `decode` at a size. Its memory is taken when it is first reset, and held until it is dropped."""

    @property
    def mixes(self) -> bool:
        """Whether its engine prefills and decodes in one iteration."""

    def mixed(self, prompt_tokens: int, size: Size) -> RunnablePhase:
        """An iteration that prefills one prompt beside the decode steps of a size, of an engine that does so."""

    def lacks_room(self, name: str, size: Size) -> str | None:
        """Why that cannot be run; None where it can, as far as is known before."""

    def growth(self, name: str, small: Size, large: Size) -> float:
        """How many times as long an iteration of the larger size may take, at most."""

    def measuring(self) -> AbstractContextManager[None]:
        """What all points run within."""


class _LeftOutError(Exception):
    """A point is not measured, and why."""


class Sweep:
    """The sweep of one model. What it has when it is stopped, at any moment, is in `surface`."""

    def __init__(self, bench: Bench, model: Swept, prefill: SweepGrid, decode: SweepGrid) -> None:
        self._bench, self._model = bench, model
        self._plan = replace(Plan.sweep(), repeats=min(Plan.sweep().repeats, bench.plan.repeats))
        self._prefill, self._decode = SweptPhase("prefill", prefill), SweptPhase("decode", decode)
        self._ends_ns = 0
        self._mixed: list[MixedCost] = []

    def run(self) -> None:
        """Measure both phases; points that have no room, or would take too long, are left out.

        Raises `KeyboardInterrupt` on Ctrl-C.
        """
        with self._model.measuring():
            for phase in (self._prefill, self._decode):
                begins_ns = self._bench.clock()
                self._ends_ns = begins_ns + round(_GRID_SECONDS * 1e9)
                self._first_row(phase)
                self._other_rows(phase)
                self._ends_ns = begins_ns + round(_PHASE_SECONDS * 1e9)
                self._between(phase)
                self._once_more(phase)
            self._both_at_once()

    def surface(self) -> CostSurface | None:
        """What was measured of each phase, as far as its grid is full; None where nothing was."""
        prefill, decode = self._prefill.points(), self._decode.points()
        if not (prefill or decode):
            return None
        untested = [phase.name for phase in (self._prefill, self._decode) if not phase.held_out]
        return CostSurface(
            tier=Tier.HOST,
            prefill=prefill_costs(prefill),
            decode=decode_costs(decode),
            prefill_error_ratio=self._prefill.error_ratio(),
            decode_error_ratio=self._decode.error_ratio(),
            missing=f"nothing was measured between the points of {' and '.join(untested)}" if untested else None,
            prefill_held_out=prefill_costs(self._prefill.held_out),
            decode_held_out=decode_costs(self._decode.held_out),
            mixed=self._mixed,
        )

    def warnings(self) -> list[ReportWarning]:
        """What was left out, and why."""
        return [
            ReportWarning(code="sweep_left_out", message=f"the sweep left out {text}", phase=phase.name)
            for phase in (self._prefill, self._decode)
            for text in phase.left_out
        ]

    def _first_row(self, phase: SweptPhase) -> None:
        """The first batch size at each length, as far as there is room and time: the other batch sizes go as far."""
        grid, before = phase.grid, None
        for place, length in enumerate(grid.lengths):
            size = Size(grid.batches[0], length)
            try:
                self._check(phase, before, [size])
                phase.times[size] = self._measured(phase, size)
            except _LeftOutError as reason:
                phase.grid = replace(grid, lengths=grid.lengths[:place])
                phase.left_out.append(f"{grid.lengths[place]:,} tokens{_and_more(grid.lengths, place)}: {reason}")
                return
            before = size

    def _other_rows(self, phase: SweptPhase) -> None:
        """The other batch sizes, as far as each has room and time for all these lengths."""
        grid = phase.grid
        for place, batch in enumerate(grid.batches):
            if place == 0 or not grid.lengths:
                continue
            row = [Size(batch, length) for length in grid.lengths]
            try:
                self._check(phase, Size(grid.batches[place - 1], grid.lengths[-1]), row)
                for size in row:
                    phase.times[size] = self._measured(phase, size)
            except _LeftOutError as reason:
                phase.grid = replace(grid, batches=grid.batches[:place])
                phase.left_out.append(f"batch {grid.batches[place]:,}{_and_more(grid.batches, place)}: {reason}")
                return

    def _between(self, phase: SweptPhase) -> None:
        for size in phase.grid.between():
            try:
                self._check(phase, phase.nearest(size), [size])
                phase.held_out[size] = self._measured(phase, size)
            except _LeftOutError:  # the fewer there are, the less is said about the surface; it is as good as it was
                phase.given_up.add(size)

    def _once_more(self, phase: SweptPhase) -> None:
        """Of what neighbours disturbed, or the first use of a kernel, the shorter time counts."""
        for _ in range(_RETAKES):
            for size in phase.disturbed():
                try:
                    self._check(phase, size if size in phase.times else phase.nearest(size), [size])
                    phase.retake(size, self._measured(phase, size))
                except _LeftOutError:  # no time: it stays as it is
                    return

    def _both_at_once(self) -> None:
        """Iterations that prefill beside a decode step, in the middle and at the end of both grids.

        Those that are left out cost what the surface makes of their two parts.
        """
        prefill, decode = self._prefill.whole(), self._decode.whole()
        if not (self._model.mixes and prefill.lengths and decode.lengths):
            return
        self._ends_ns = self._bench.clock() + round(_GRID_SECONDS * 1e9)
        together = _TOGETHER
        for tokens, batch, context in product(
            *map(_middle_and_last, (prefill.lengths, decode.batches, decode.lengths))
        ):
            size = Size(batch, context)
            apart_ms = sum(
                min(phase.times[known].samples)
                for phase, known in ((self._prefill, Size(prefill.batches[0], tokens)), (self._decode, size))
            )
            try:
                self._check_mixed(tokens, size, together * apart_ms)
                self._bench.progress.stage(f"sweep: a prompt of {tokens:,} tokens beside {size}")
                taken = self._timed(partial(self._model.mixed, tokens, size))
            except _LeftOutError as reason:
                self._decode.left_out.append(f"a prompt of {tokens:,} tokens beside {size} and more: {reason}")
                return
            together = max(together, taken.median / apart_ms)
            point = MixedCost(prompt_tokens=tokens, batch_size=batch, context_tokens=context, ms=taken.median)
            self._mixed.append(point)

    def _check_mixed(self, tokens: int, size: Size, expected_ms: float) -> None:
        """Raise `_LeftOutError` where the prompt's cache has no room beside that of the decode, or both no time."""
        held = Size(size.batch_size + -(-tokens // size.tokens), size.tokens)
        reason = self._model.lacks_room("decode", held)
        if reason is not None:
            raise _LeftOutError(f"it {reason}")
        self._check_time("it", [expected_ms / 1000 * (FEWEST_WARMUPS + self._plan.fewest_repeats)])

    def _check(self, phase: SweptPhase, known: Size | None, row: list[Size]) -> None:
        """Raise `_LeftOutError` where the last of a row has no room, or the row no time, by a point that is `known`."""
        reason = self._model.lacks_room(phase.name, row[-1])
        if reason is not None:
            raise _LeftOutError(f"{row[-1]} {reason}")
        if known is None:
            return
        # The shortest: what disturbed the others then need not come again.
        known_s = min(phase.times[known].samples) / 1000 * (FEWEST_WARMUPS + self._plan.fewest_repeats)
        usual_s = fmean(phase.took_s)
        expected_s = [max(known_s * self._model.growth(phase.name, known, size), usual_s) for size in row]
        self._check_time(str(row[-1]), expected_s)

    def _check_time(self, name: str, expected_s: list[float]) -> None:
        """Raise `_LeftOutError` where one point of these, the last of which is called `name`, or all have no time."""
        if max(expected_s) > _POINT_SECONDS:
            raise _LeftOutError(f"{name} could take {max(expected_s):,.0f} s, over the {_POINT_SECONDS:.0f} of a point")
        left_s = max(self._ends_ns - self._bench.clock(), 0) / 1e9
        if sum(expected_s) > left_s:
            raise _LeftOutError(f"it could take {sum(expected_s):,.0f} s, and {left_s:,.0f} s are left")

    def _measured(self, phase: SweptPhase, size: Size) -> Distribution:
        """Its wall time. Raises `_LeftOutError` where it cannot be run after all."""
        bench = self._bench
        known = size in phase.times or size in phase.held_out
        bench.progress.stage(f"sweep: {phase.name}, {size} ({'once more' if known else self._outlook()})")
        begun_ns = bench.clock()
        try:
            return self._timed(partial(self._model.phase, phase.name, size))
        except _LeftOutError as reason:
            raise _LeftOutError(f"{size}: {reason}") from None
        finally:
            phase.took_s.append((bench.clock() - begun_ns) / 1e9)

    def _timed(self, made: Callable[[], RunnablePhase]) -> Distribution:
        bench = self._bench
        runnable: RunnablePhase | None = None
        try:
            with translating_torch_errors():
                runnable = made()
                return measure_clean(runnable, bench.device, bench.clock, self._plan, SilentProgress()).clean.wall_ms
        except BottleneckError as error:
            raise _LeftOutError(error.message) from None
        finally:
            runnable = None  # and its cache
            bench.device.empty_cache()

    def _outlook(self) -> str:
        """How many points are to go, and how long by those that were measured."""
        to_go = self._prefill.to_go() + self._decode.to_go()
        took_s = self._prefill.took_s + self._decode.took_s
        text = f"{to_go} to go"
        return f"{text}, about {to_go * fmean(took_s):,.0f} s" if took_s else text


def _middle_and_last(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys((values[len(values) // 2], values[-1])))


def _and_more(values: tuple[int, ...], place: int) -> str:
    return " and more" if place + 1 < len(values) else ""
