"""From steps to phases: what is alike, what order tells, and which steps stand for the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.attribute import step_phases
from profiler.attribute.step_phases import phases_of, step_time
from profiler.report.trace_phases import FoundBy, KindFrom, PhaseKind
from profiler.trace.step_table import StepSort, StepTable
from profiler.trace.steps_found import find_steps
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import call, kernel, operation, recording, timeline_of

Step = tuple[int, list[str]]  # how long each kernel takes, and their names
PREFILL: Step = (40, ["lookup", *["big_gemm", "flash_fwd", "big_gemm"] * 4, "head"])
DECODE: Step = (5, ["lookup", *["small_gemm", "flash_fwd", "small_gemm"] * 4, "head"])


def table_of(
    *steps: Step, kind: PhaseKind = PhaseKind.UNKNOWN, found_by: FoundBy = FoundBy.KERNEL_PATTERN
) -> tuple[Timeline, StepTable]:
    """Steps one after the other, 10 us between them, and their table."""
    events: list[dict[str, Any]] = []
    borders, time = [0], 0
    for each_us, names in steps:
        for name in names:
            events.append(kernel(time, each_us, name=name))
            time += each_us
        time += 10
        borders.append(time)
    starts, ends = np.array(borders[:-1]) * 1_000, np.array(borders[1:]) * 1_000
    followed = np.ones(len(steps), np.bool_)
    sort = np.zeros(len(steps), np.int64)
    return timeline_of(*events), StepTable(found_by, starts, ends, followed, sort, [StepSort("step", kind)])


def test_a_long_step_before_many_short_ones_that_attend_as_often_is_their_prefill() -> None:
    prefill, decode = phases_of(*table_of(PREFILL, *[DECODE] * 5, PREFILL, *[DECODE] * 6))
    assert (prefill.kind, prefill.kind_from, prefill.steps.tolist()) == (PhaseKind.PREFILL, KindFrom.ORDER, [0, 6])
    assert (decode.kind, decode.kind_from, len(decode.steps)) == (PhaseKind.DECODE, KindFrom.ORDER, 11)


@pytest.mark.parametrize(
    "steps",
    [
        [PREFILL, DECODE, PREFILL, DECODE],  # two halves of one loop
        [(2, PREFILL[1]), *[DECODE] * 5],  # what comes first takes less
        [(40, ["lookup", "big_gemm", "flash_fwd", "pool", "head"]), *[DECODE] * 5],  # it attends once: another model
        [*[DECODE] * 5, PREFILL],  # nothing follows it
    ],
)
def test_an_order_that_may_mean_something_else_tells_nothing(steps: list[Step]) -> None:
    assert {phase.kind for phase in phases_of(*table_of(*steps))} == {PhaseKind.UNKNOWN}


@pytest.mark.parametrize(("queries", "kind"), [(64, PhaseKind.PREFILL), (None, PhaseKind.UNKNOWN)])
def test_many_queries_under_a_mask_that_is_given_are_a_prefill_beside_decode_steps(
    queries: int | None, kind: PhaseKind
) -> None:
    """No flag says that the mask is causal, but as many layers decode with one query each."""
    events: list[dict[str, Any]] = []
    for step, each in enumerate([queries, 1, 1]):
        for layer in range(3):
            at, correlation = 1_000 * step + 100 * layer, 10 * step + layer + 1
            sizes = {"Input Dims": [[1, 8, each, 16], [1, 8, 64, 16], [1, 8, 64, 16]] + [[]] * 5} if each else {}
            types = {"Input type": ["c10::BFloat16"] * 3 + [""] * 5, "Concrete Inputs": [""] * 5 + ["False", "", ""]}
            events += [
                operation("aten::scaled_dot_product_attention", at, 20, **sizes, **types),
                call("cudaLaunchKernel", at + 5, 5, correlation),
                kernel(at + 12, 40, correlation, name="flash_fwd"),
                kernel(at + 60, 9, name="big_gemm" if step == 0 else "small_gemm"),
            ]
    borders = np.array([12, 1_012, 2_012, 2_269]) * 1_000
    steps = StepTable(
        FoundBy.KERNEL_PATTERN,
        borders[:-1],
        borders[1:],
        np.array([True, True, False]),
        np.zeros(3, np.int64),
        [StepSort("step", PhaseKind.UNKNOWN)],
    )
    first, second = phases_of(timeline_of(*events), steps)
    assert (first.kind, second.kind) == (kind, PhaseKind.DECODE)


def test_unknown_steps_that_only_one_of_them_resembles_count_as_the_others() -> None:
    odd: Step = (5, ["lookup", "evaluate", "head"])
    (phase,) = phases_of(*table_of(DECODE, DECODE, odd, DECODE))
    assert (phase.name, phase.steps.tolist()) == ("step", [0, 1, 2, 3])


def test_unknown_steps_of_other_kernels_that_recur_are_a_phase_of_their_own() -> None:
    odd: Step = (5, ["lookup", "evaluate", "head"])
    first, second = phases_of(*table_of(DECODE, odd, DECODE, DECODE, odd))
    assert (first.name, first.steps.tolist()) == ("step", [0, 2, 3])
    assert (second.name, second.steps.tolist()) == ("step, other kernels (1)", [1, 4])


def test_unknown_steps_that_are_called_the_same_are_one_phase_whatever_they_run() -> None:
    odd: Step = (5, ["lookup", "evaluate", "head"])
    (phase,) = phases_of(*table_of(DECODE, odd, DECODE, DECODE, odd, found_by=FoundBy.ANNOTATION))
    assert (phase.name, phase.steps.tolist()) == ("step", [0, 1, 2, 3, 4])


def test_what_an_annotation_says_is_not_asked_of_the_kernels() -> None:
    (phase,) = phases_of(*table_of(PREFILL, DECODE, DECODE, DECODE, kind=PhaseKind.MIXED))
    assert (phase.kind, phase.kind_from, len(phase.steps)) == (PhaseKind.MIXED, KindFrom.ANNOTATION, 4)


def test_the_steps_that_are_judged_follow_each_other_and_take_the_usual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slow: Step = (9, DECODE[1])
    monkeypatch.setattr(step_phases, "MOST_JUDGED", 2 * len(DECODE[1]))
    (phase,) = phases_of(*table_of(slow, slow, slow, DECODE, DECODE, slow, DECODE, kind=PhaseKind.DECODE))
    first, last = phase.judged
    assert last - first == 1
    assert phase.judged == (0, 1)  # most steps are slow


def test_a_phase_that_others_interrupt_is_judged_by_steps_without_the_others() -> None:
    prefill, decode = phases_of(*table_of(PREFILL, *[DECODE] * 3, PREFILL, *[DECODE] * 5))
    assert prefill.judged in {(0, 0), (4, 4)}
    assert decode.judged == (5, 9)  # the longest run


def test_a_recording_of_prefills_is_one_phase_called_so() -> None:
    timeline = recording("prefill_b1_512")
    steps = find_steps(timeline)
    assert steps is not None
    (phase,) = phases_of(timeline, steps)
    assert (phase.name, phase.kind, phase.kind_from) == ("prefill", PhaseKind.PREFILL, KindFrom.SHAPES)
    assert phase.steps.tolist() == [0, 1, 2]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60))
def test_the_interval_of_step_times_holds_their_median(lasts: list[int]) -> None:
    time = step_time(np.array(lasts))
    assert min(lasts) <= time.low_ns <= time.median_ns <= time.high_ns <= max(lasts)
    assert time.median_ns in lasts
    assert time.steps == len(lasts)
    if len(lasts) < 6:
        assert (time.low_ns, time.high_ns) == (min(lasts), max(lasts))


def test_the_interval_of_many_step_times_is_narrower_than_all_of_them() -> None:
    time = step_time(np.arange(1, 101))
    assert (time.low_ns, time.median_ns, time.high_ns) == (41, 50, 61)  # 95% by the binomial distribution: 40 to 61
