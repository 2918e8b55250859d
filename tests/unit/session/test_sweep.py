"""The sweep: a full grid of both phases, whatever does not fit, takes too long, fails or is interrupted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import torch

from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.report.cost_surface import CostSurface
from profiler.serving.surface import SurfaceCosts
from profiler.session.bench import Bench
from profiler.session.sweep import Sweep
from profiler.session.sweep_grid import Size, SweepGrid
from tests.unit.measure.stand_ins import FakeClock, FakeDevice, FakePhase, FakeSampler
from tests.unit.session.machines import ceilings_of

PREFILL, DECODE = SweepGrid((1, 4), (100, 400)), SweepGrid((1, 4, 16), (100, 400))
DECODE_ONE = SweepGrid((1,), (100,))
WHOLE_PREFILL = {(1, 100), (1, 400), (4, 100), (4, 400)}


def even(name: str, size: Size) -> float:
    """What straight lines describe exactly: 5 ms and a share of each sequence and token."""
    return 5 + size.batch_size * (0.1 + size.tokens / 1000) if name == "decode" else 5 + size.tokens / 100


class Failing(FakePhase):
    error: BaseException

    def reset(self) -> None:
        raise self.error


@dataclass
class Model:
    """Iterations take what `ms` says; `refused` has no room, `failing` raises when it is run."""

    clock: FakeClock = field(default_factory=FakeClock)
    ms: Callable[[str, Size], float] = even
    refused: set[tuple[str, Size]] = field(default_factory=set)
    failing: dict[tuple[str, Size], BaseException] = field(default_factory=dict)
    run: list[tuple[str, Size]] = field(default_factory=list)
    within: list[str] = field(default_factory=list)
    mixes: bool = False

    def mixed(self, prompt_tokens: int, size: Size) -> FakePhase:
        took = self.ms("prefill", Size(1, prompt_tokens)) + self.ms("decode", size) + 7.0
        return FakePhase(self.clock, [], lambda _: took, reset_ms=0.0, iterations_per_reset=1, name="mixed")

    def phase(self, name: str, size: Size) -> FakePhase:
        assert self.within == ["in"]
        self.run.append((name, size))
        took = self.ms(name, size)
        made = Failing if (name, size) in self.failing else FakePhase
        phase = made(self.clock, [], lambda _: took, reset_ms=0.0, iterations_per_reset=8, name=name)
        if isinstance(phase, Failing):
            phase.error = self.failing[name, size]
        return phase

    def lacks_room(self, name: str, size: Size) -> str | None:
        return "needs 99 GB" if (name, size) in self.refused else None

    def growth(self, name: str, small: Size, large: Size) -> float:
        return large.batch_size * large.tokens / (small.batch_size * small.tokens)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        self.within.append("in")
        yield
        self.within.append("out")


class Stages(SilentProgress):
    def __init__(self) -> None:
        self.labels: list[str] = []

    def stage(self, label: str, total: int | None = None, *, seconds: float | None = None) -> None:
        self.labels.append(label)


def sweep_of(
    model: Model, prefill: SweepGrid = PREFILL, decode: SweepGrid = DECODE, stages: Stages | None = None
) -> tuple[Sweep, FakeDevice]:
    device = FakeDevice(model.clock)
    ceilings, sampler = ceilings_of(device.properties), FakeSampler(model.clock)
    bench = Bench(device, ceilings, sampler, model.clock, Plan.standard(), stages or Stages())
    return Sweep(bench, model, prefill, decode), device


def swept(model: Model, prefill: SweepGrid = PREFILL, decode: SweepGrid = DECODE) -> tuple[CostSurface, list[str]]:
    sweep, _ = sweep_of(model, prefill, decode)
    sweep.run()
    surface = sweep.surface()
    assert surface is not None
    SurfaceCosts(surface)  # raises where a grid has a hole
    return surface, [warning.message for warning in sweep.warnings()]


def sizes(surface: CostSurface, name: str) -> set[tuple[int, int]]:
    if name == "prefill":
        return {(point.batch_size, point.prompt_tokens) for point in surface.prefill}
    return {(point.batch_size, point.context_tokens) for point in surface.decode}


def test_both_phases_are_timed_at_every_point() -> None:
    surface, warnings = swept(Model())
    assert sizes(surface, "prefill") == WHOLE_PREFILL
    assert len(surface.decode) == 6
    assert warnings == []
    (point,) = (p for p in surface.decode if (p.batch_size, p.context_tokens) == (4, 400))
    assert point.ms == pytest.approx(5 + 4 * 0.5)
    assert point.low_ms is not None
    assert point.high_ms is not None
    assert point.low_ms < point.ms < point.high_ms


def test_an_engine_that_prefills_beside_decode_steps_is_timed_so_in_the_middle_and_at_the_end_of_its_grids() -> None:
    surface, _ = swept(Model(mixes=True))
    assert {point.prompt_tokens for point in surface.mixed} == set(PREFILL.lengths[len(PREFILL.lengths) // 2 :])
    assert {point.batch_size for point in surface.mixed} == set(DECODE.batches[len(DECODE.batches) // 2 :])
    for point in surface.mixed:
        apart = even("prefill", Size(1, point.prompt_tokens)) + even(
            "decode", Size(point.batch_size, point.context_tokens)
        )
        assert point.ms == pytest.approx(apart + 7.0)
    assert swept(Model())[0].mixed == []


def test_a_prompt_whose_cache_has_no_room_beside_that_of_a_decode_is_left_out_with_all_that_is_larger() -> None:
    model = Model(mixes=True)
    longest = Size(DECODE.batches[-1] + 1, DECODE.lengths[-1])  # 400 tokens of prompt are one sequence of 400
    model.refused.add(("decode", longest))
    surface, warnings = swept(model)
    assert surface.mixed
    assert all(point.batch_size < DECODE.batches[-1] for point in surface.mixed)
    assert warnings == [f"the sweep left out a prompt of 400 tokens beside {Size(16, 400)} and more: it needs 99 GB"]


def test_both_at_once_are_left_out_where_a_point_could_take_too_long() -> None:
    surface, warnings = swept(Model(mixes=True, ms=lambda name, size: 1000.0), DECODE_ONE, DECODE_ONE)
    assert surface.mixed == []
    assert len(warnings) == 1
    assert "beside batch 1 of 100 tokens and more: it could take" in warnings[0]


def test_costs_that_are_straight_have_no_error() -> None:
    surface, _ = swept(Model(ms=lambda name, size: 5.0 + size.tokens / 100))
    assert surface.prefill_error_ratio == pytest.approx(0, abs=1e-9)
    assert surface.decode_error_ratio == pytest.approx(0, abs=1e-9)
    assert surface.missing is None
    assert [(p.batch_size, p.prompt_tokens) for p in surface.prefill_held_out] == [(2, 200)]
    assert len(surface.decode_held_out) == 2


def test_the_error_is_the_distance_from_what_was_held_out() -> None:
    def bent(name: str, size: Size) -> float:
        return 10.0 if size.tokens < 400 else 40.0  # at 200 tokens, a third of the way, lines say 20

    surface, _ = swept(Model(ms=bent))
    assert surface.prefill_error_ratio == pytest.approx(1.0)


def test_a_single_point_has_no_error_and_says_why() -> None:
    one = SweepGrid((1,), (100,))
    surface, _ = swept(Model(), prefill=one)
    assert surface.prefill_error_ratio is None
    assert surface.missing == "nothing was measured between the points of prefill"
    assert surface.decode_error_ratio is not None


def test_a_length_without_room_is_left_out_with_all_above_and_said_so() -> None:
    grid = SweepGrid((1, 4), (100, 400, 1600, 6400))
    surface, warnings = swept(Model(refused={("decode", Size(1, 1600))}), decode=grid)
    assert sizes(surface, "decode") == {(1, 100), (1, 400), (4, 100), (4, 400)}
    assert warnings == ["the sweep left out 1,600 tokens and more: batch 1 of 1,600 tokens needs 99 GB"]


def test_a_batch_that_has_no_room_at_the_longest_is_left_out_unmeasured() -> None:
    model = Model(refused={("decode", Size(16, 400))})
    surface, warnings = swept(model)
    assert sizes(surface, "decode") == {(1, 100), (1, 400), (4, 100), (4, 400)}
    assert not any(size.batch_size == 16 for _, size in model.run)
    assert warnings == ["the sweep left out batch 16: batch 16 of 400 tokens needs 99 GB"]


def test_memory_that_runs_out_at_a_point_costs_its_row_only() -> None:
    gone = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0")
    model = Model(failing={("decode", Size(4, 400)): gone})
    sweep, device = sweep_of(model)
    sweep.run()
    surface = sweep.surface()
    assert surface is not None
    assert sizes(surface, "decode") == {(1, 100), (1, 400)}
    assert len(surface.prefill) == 4
    (warning,) = sweep.warnings()
    assert warning.code == "sweep_left_out"
    assert warning.phase == "decode"
    assert "batch 4 and more: batch 4 of 400 tokens: the device ran out of memory" in warning.message
    assert device.log.count("empty_cache") == len(model.run)
    assert not any(size.batch_size == 16 for _, size in model.run)


def test_where_nothing_of_a_phase_fits_the_other_is_there() -> None:
    surface_less = Model(refused={("prefill", Size(1, 100))})
    sweep, _ = sweep_of(surface_less)
    sweep.run()
    surface = sweep.surface()
    assert surface is not None
    assert surface.prefill == []
    assert len(surface.decode) == 6
    assert surface.missing == "nothing was measured between the points of prefill"


def test_where_nothing_fits_there_is_no_surface() -> None:
    sweep, _ = sweep_of(Model(refused={("prefill", Size(1, 100)), ("decode", Size(1, 100))}))
    sweep.run()
    assert sweep.surface() is None
    assert len(sweep.warnings()) == 2


def test_a_slow_device_is_swept_in_bounded_time() -> None:
    """Every iteration takes seconds, and more with its size: a large model on a CPU."""
    model = Model(ms=lambda name, size: 400.0 + 20 * size.batch_size * size.tokens)
    _, warnings = swept(model, prefill=SweepGrid((1, 4, 16), (10, 40, 160, 640)), decode=SweepGrid((1, 4), (10, 40)))
    assert model.clock.now_ns < 150e9
    assert any("over the 20 of a point" in text for text in warnings)


def test_rows_for_which_no_time_is_left_are_not_begun() -> None:
    model = Model(ms=lambda name, size: 500.0)
    grid = SweepGrid(tuple(range(1, 17)), (100, 400, 1600))
    surface, warnings = swept(model, decode=grid)
    assert len({batch for batch, _ in sizes(surface, "decode")}) < 16
    assert re.search(r"it could take \d+ s, and \d+ s are left$", warnings[0])
    assert surface.decode_held_out  # there is time to test what there is
    assert model.clock.now_ns < 150e9


def test_a_point_that_was_disturbed_is_measured_once_more() -> None:
    taken: list[Size] = []

    def disturbed_once(name: str, size: Size) -> float:
        taken.append(size)
        return 500.0 if size == Size(1, 100) and taken.count(size) == 1 else even(name, size)

    stages = Stages()
    sweep, _ = sweep_of(Model(ms=disturbed_once), stages=stages)
    sweep.run()
    surface = sweep.surface()
    assert surface is not None
    again = [label for label in stages.labels if "once more" in label]
    assert again == ["sweep: prefill, batch 1 of 100 tokens (once more)"]
    assert min(surface.prefill, key=lambda p: p.prompt_tokens).ms == pytest.approx(even("prefill", Size(1, 100)))
    assert surface.prefill_error_ratio == pytest.approx(0, abs=0.2)


def test_a_point_whose_repeats_lie_far_apart_is_measured_once_more() -> None:
    """At the largest size nothing larger tells that it was disturbed."""
    model, runs = Model(), []
    whole_phase = model.phase

    def sometimes_disturbed(name: str, size: Size) -> FakePhase:
        phase = whole_phase(name, size)
        if (name, size) == ("decode", Size(16, 400)):
            runs.append(phase)
            if len(runs) == 1:
                phase.iteration_ms = lambda number: 300.0 if number % 2 else 30.0
        return phase

    model.phase = sometimes_disturbed  # type: ignore[method-assign]
    surface, _ = swept(model)
    assert surface.decode[-1].ms == pytest.approx(even("decode", Size(16, 400)))
    assert len(runs) == 2


def test_what_stays_slow_stays_as_it_was_measured() -> None:
    surface, _ = swept(Model(ms=lambda name, size: 50.0 if size.tokens == 100 else 20.0))
    assert {p.ms for p in surface.prefill if p.prompt_tokens == 100} == {50.0}


@pytest.mark.parametrize(
    ("stopped", "prefill", "decode"),
    [
        (("prefill", Size(1, 400)), {(1, 100)}, set()),
        (("prefill", Size(4, 400)), {(1, 100), (1, 400)}, set()),
        (("decode", Size(1, 400)), WHOLE_PREFILL, {(1, 100)}),
        (("decode", Size(16, 400)), WHOLE_PREFILL, {(1, 100), (1, 400), (4, 100), (4, 400)}),
    ],
)
def test_ctrl_c_keeps_every_row_that_is_whole(
    stopped: tuple[str, Size], prefill: set[tuple[int, int]], decode: set[tuple[int, int]]
) -> None:
    sweep, _ = sweep_of(Model(failing={stopped: KeyboardInterrupt()}))
    with pytest.raises(KeyboardInterrupt):
        sweep.run()
    surface = sweep.surface()
    assert surface is not None
    assert sizes(surface, "prefill") == prefill
    assert sizes(surface, "decode") == decode
    assert surface.decode_error_ratio is None


def test_ctrl_c_at_the_first_point_leaves_no_surface() -> None:
    sweep, _ = sweep_of(Model(failing={("prefill", Size(1, 100)): KeyboardInterrupt()}))
    with pytest.raises(KeyboardInterrupt):
        sweep.run()
    assert sweep.surface() is None


def test_progress_says_which_point_how_many_and_how_long() -> None:
    stages, model = Stages(), Model()
    sweep, _ = sweep_of(model, stages=stages)
    sweep.run()
    assert stages.labels[0] == "sweep: prefill, batch 1 of 100 tokens (13 to go)"
    assert stages.labels[1].startswith("sweep: prefill, batch 1 of 400 tokens (12 to go, about ")
    assert " (1 to go, about " in stages.labels[-1]
    assert len(stages.labels) == len(model.run) == 13
