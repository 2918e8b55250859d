"""A loop of one's own: its iterations, marked in either way, give the same kind of report."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

import profiler
from profiler.errors import UsageError
from profiler.report.records import Report
from profiler.report.store import decode, encode
from profiler.report.vocabulary import VerdictState
from profiler.session import marked as marked_module
from profiler.session.capture import Capture
from profiler.session.marked import TIMED_ITERATIONS, TRACED_ITERATIONS, WARMUP_ITERATIONS
from tests.unit.measure.stand_ins import FakeClock, FakeSampler
from tests.unit.session.machines import cpu_machine

TELEMETRY_ITERATIONS = 3


@pytest.fixture(autouse=True)
def short_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few iterations of telemetry, not more than a second of them."""
    monkeypatch.setattr(marked_module, "TELEMETRY_NS", 1)


@contextmanager
def no_sampler(_: Any) -> Iterator[FakeSampler]:
    yield FakeSampler(FakeClock())


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64))


ENOUGH = WARMUP_ITERATIONS + TIMED_ITERATIONS + TELEMETRY_ITERATIONS + TRACED_ITERATIONS


def run(model: torch.nn.Module) -> None:
    with torch.no_grad():
        model(torch.ones(4, 64))


def capture(model: torch.nn.Module | None = None) -> Capture:
    return Capture(model=model, machine=cpu_machine(no_sampler))


def codes(report: Report) -> list[str]:
    return [warning.code for warning in report.warnings]


def test_the_two_ways_of_marking_give_the_same_kind_of_report(model: torch.nn.Module) -> None:
    with capture(model) as around:
        for _ in range(ENOUGH):
            with around.step("decode"):
                run(model)
    with capture(model) as after:
        for _ in range(ENOUGH + 2):
            run(model)
            after.step("decode")
    for report in (around.report, after.report):
        assert (report.kind, report.complete, report.warnings) == ("capture", True, [])
        (phase,) = report.phases
        assert phase.name == "decode"
        assert len(phase.clean.wall_ms.samples) == TIMED_ITERATIONS
        assert len(phase.clean.wall_ms.repeat_medians) == 4
        assert sum(part.ms for part in phase.parts) == pytest.approx(phase.clean.wall_ms.median, rel=0.01)
        assert {kernel.module for kernel in phase.kernels} >= {"0", "1", "2"}
        assert phase.verdict.state is not VerdictState.REFUSED
        assert report.verdict.class_ is phase.verdict.class_
        assert decode(encode(report)) == report


def test_the_public_api_measures_with_a_real_telemetry_process(model: torch.nn.Module) -> None:
    with profiler.capture("cpu") as c:
        for _ in range(ENOUGH):
            with c.step("decode"):
                run(model)
    assert c.report.complete
    telemetry = c.report.phases[0].telemetry
    assert telemetry is not None
    assert {series.name for series in telemetry.series} >= {"cpu_process", "power"}


@pytest.mark.parametrize("iterations", [0, 1, WARMUP_ITERATIONS, 10, ENOUGH - TELEMETRY_ITERATIONS - 1])
def test_too_few_iterations_say_how_many_more_are_needed(
    model: torch.nn.Module, iterations: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with capture() as c:
        for _ in range(iterations):
            with c.step("decode"):
                run(model)
    assert not c.report.complete
    assert codes(c.report) == ["too_few_iterations"]
    message = c.report.warnings[0].message
    assert capsys.readouterr().err == f"bottleneck: {message}, so the report is not complete\n"  # at once, too
    if iterations == 0:
        assert "no iteration was marked" in message
        return
    assert f"{iterations} iterations of decode were marked" in message
    if iterations <= WARMUP_ITERATIONS:
        assert f"{WARMUP_ITERATIONS - iterations + TIMED_ITERATIONS + TRACED_ITERATIONS} more are needed" in message
        assert c.report.phases == []
        return
    (phase,) = c.report.phases
    assert phase.verdict.evidence == [message]
    assert phase.clean.wall_ms.median > 0
    assert phase.parts == []


def test_a_loop_has_its_mfu_in_the_number_format_that_it_was_traced_in(model: torch.nn.Module) -> None:
    with capture(model) as c:
        for _ in range(ENOUGH):
            with c.step("decode"):
                run(model)
    (phase,) = c.report.phases
    ceiling = next(found for found in c.report.ceilings.ceilings if found.name == "gemm.float32").value
    assert phase.flops is not None
    assert phase.flops >= 2 * 2 * 4 * 64 * 64  # two linear layers on four rows
    assert phase.mfu == pytest.approx(phase.flops / phase.clean.wall_ms.median * 1e3 / (ceiling * 1e12))
    assert phase.ideal_ms is not None


def test_a_loop_that_was_not_traced_says_that_nothing_could_be_summed(model: torch.nn.Module) -> None:
    with capture(model) as c:
        for _ in range(WARMUP_ITERATIONS + 1):
            with c.step("decode"):
                run(model)
    (phase,) = c.report.phases
    for name in ("flops", "bytes", "mfu", "mbu", "ideal_ms"):
        assert getattr(phase, name) is None
        assert "no trace whose operations could be summed" in (phase.sources[name].missing or "")


def test_a_loop_without_products_says_that_no_number_format_is_known() -> None:
    with capture() as c:
        for _ in range(ENOUGH):
            with c.step("copying"):
                torch.ones(64).clone()
    (phase,) = c.report.phases
    assert phase.mbu is not None
    assert phase.mfu is None
    assert phase.sources["mfu"].missing == (
        "which number format the FLOPs are in is not known, so neither is their ceiling"
    )


def test_following_the_count_that_was_asked_for_is_enough(model: torch.nn.Module) -> None:
    with capture() as c:
        for _ in range(10):
            with c.step("decode"):
                run(model)
    more = int(c.report.warnings[0].message.split("marked; ")[1].split()[0])
    with capture() as c:
        for _ in range(10 + more):
            with c.step("decode"):
                run(model)
    assert c.report.complete


def test_several_phases_take_turns_and_each_is_measured(model: torch.nn.Module) -> None:
    with capture(model) as c:
        for _ in range(4 * ENOUGH):
            with c.step("prefill"):
                for _ in range(3):
                    run(model)
            for _ in range(2):
                with c.step("decode"):
                    run(model)
    assert c.report.complete
    prefill, decode_phase = c.report.phases
    assert (prefill.name, decode_phase.name) == ("prefill", "decode")
    # Each traced step is a step of its own phase: three forward calls in one, one in the other.
    calls = [sum(kernel.calls for kernel in phase.kernels if kernel.module == "1") for phase in c.report.phases]
    assert calls[0] == 3 * calls[1]


def test_a_mark_without_with_is_of_one_phase_only() -> None:
    with capture() as c:
        c.step("prefill")
        with pytest.raises(UsageError, match="marks one phase, not prefill and decode") as raised:
            c.step("decode")
    assert "with capture.step" in raised.value.hint


def test_the_two_ways_of_marking_are_not_mixed() -> None:
    with capture() as c:
        c.step("decode")
        with pytest.raises(UsageError, match="without `with` before"), c.step("decode"):
            pass


def test_the_first_bare_mark_only_says_where_to_begin(model: torch.nn.Module) -> None:
    with capture() as c:
        for _ in range(6):
            run(model)
            c.step("decode")
    assert "5 iterations of decode were marked" in c.report.warnings[0].message


class LoopError(Exception):
    """What the user's loop raises."""


# The failure comes in a warm-up, a timed, a sampled and a traced iteration.
IN_EACH_PASS = list(itertools.accumulate([0, WARMUP_ITERATIONS + 1, TIMED_ITERATIONS, 2]))


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("iterations", IN_EACH_PASS)
def test_an_exception_of_the_loop_passes_through_and_nothing_stays_attached(
    model: torch.nn.Module, iterations: int, bare: bool
) -> None:
    def loop(c: Capture) -> None:
        for number in itertools.count():
            if bare:
                run(model)
                c.step("decode")
            if number == iterations:
                raise LoopError
            if not bare:
                with c.step("decode"):
                    run(model)

    c = capture(model)
    with pytest.raises(LoopError), c:
        loop(c)
    assert not c.report.complete
    assert not list(model.modules())[1]._forward_pre_hooks
    with capture(model) as again:  # the profiler can be started again, so it was stopped
        for _ in range(ENOUGH):
            with again.step("decode"):
                run(model)
    assert again.report.complete


def test_an_exception_inside_an_iteration_is_no_sample_of_it(model: torch.nn.Module) -> None:
    with capture() as c:
        for number in range(ENOUGH + 1):
            try:
                with c.step("decode"):
                    run(model)
                    if number == 10:
                        raise LoopError
            except LoopError:
                continue
    assert c.report.complete
    assert len(c.report.phases[0].clean.wall_ms.samples) == TIMED_ITERATIONS


def test_the_report_is_not_there_before_the_end() -> None:
    with capture() as c, pytest.raises(UsageError, match="when the capture ends"):
        _ = c.report


def test_a_capture_that_is_interrupted_while_it_starts_leaves_no_process() -> None:
    ended: list[bool] = []

    class Slow(FakeSampler):
        def wait_until_ready(self) -> None:
            raise KeyboardInterrupt

    @contextmanager
    def sampler(_: Any) -> Iterator[FakeSampler]:
        try:
            yield Slow(FakeClock())
        finally:
            ended.append(True)

    with pytest.raises(KeyboardInterrupt), Capture(machine=cpu_machine(sampler)):
        pass
    assert ended == [True]
