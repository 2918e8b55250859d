"""What changed between two traces: planted changes are found, real ones told, and the changes sum exactly."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from profiler.compare.kernel_times import KernelTime
from profiler.compare.matching import matched
from profiler.errors import InterruptedByUser, UnreadableError
from profiler.progress import SilentProgress
from profiler.report.analysis import Family, PartName
from profiler.report.analysis_comparison import AnalysisComparison, Basis, MatchedBy, OperationChange
from profiler.session import against
from profiler.session.against import analyze_against
from tests.unit.trace.trace_events import (
    PUBLIC_TRACES,
    RECORDINGS,
    Event,
    annotation,
    call,
    kernel,
    operation,
    trace_bytes,
)


def written(folder: Path, name: str, events: list[Event]) -> Path:
    path = folder / name
    path.write_bytes(trace_bytes(events))
    return path


def launched(
    name: str, times_us: list[float], lasting_us: float = 5, kernel_name: str = "", first: int = 1
) -> list[Event]:
    """Calls of one operation, each with a kernel that starts 10 us after."""
    events: list[Event] = []
    for number, at in enumerate(times_us):
        events += [
            operation(name, at, 4),
            call("cudaLaunchKernel", at + 1, 2, first + number),
            kernel(at + 10, lasting_us, first + number, name=kernel_name or f"kernel_of_{name}"),
        ]
    return events


@cache
def compared(after: str, before: str) -> AnalysisComparison:
    return analyze_against([RECORDINGS / f"{after}.json.gz"], [RECORDINGS / f"{before}.json.gz"])


def of(changes: list[OperationChange], name: str) -> OperationChange:
    (found,) = [change for change in changes if change.name == name]
    return found


def test_a_captured_decode_step_lost_its_waiting_for_the_host() -> None:
    answer = compared("decode_b1_graph", "decode_b1_eager")
    first = answer.parts[0]
    assert first.part is PartName.IDLE_HOST
    assert first.change_ns < 0.9 * answer.change_ns < 0


def test_a_captured_step_is_matched_with_an_eager_one_by_the_names_of_its_kernels() -> None:
    answer = compared("decode_b1_graph", "decode_b1_eager")
    gemm = of(answer.operations, "nvjet_sm90_tst_64x8_64x16_2x1_v_bz_TNT")
    assert gemm.matched_by is MatchedBy.KERNEL
    assert (gemm.before_calls, gemm.after_calls) == (2 * 64, 3 * 64)  # of two steps and of three
    gone = of(answer.operations, "aten::_flash_attention_forward")
    assert (gone.before_calls, gone.after_calls, gone.after_ns) == (128, 0, 0)


def test_two_eager_steps_and_three_captured_ones_are_compared_by_the_step() -> None:
    answer = compared("decode_b1_graph", "decode_b1_eager")
    assert (answer.basis, answer.before.steps, answer.after.steps) == (Basis.STEP, 2, 3)
    gemm = next(change for change in answer.families if change.family is Family.GEMM)
    assert gemm.after_ns / 3 == pytest.approx(gemm.before_ns / 2, rel=0.02)  # the weights are the same
    (step,) = answer.steps
    assert step.phase == "decode"
    assert step.after_ns < step.before_ns / 5


def test_traces_of_other_numbers_of_kernels_are_compared_and_it_is_said(tmp_path: Path) -> None:
    few, many = (
        written(tmp_path, f"{number}.json", launched("aten::mm", [50 * at for at in range(number)]))
        for number in (4, 5)
    )
    note = "the baseline ran 4 kernels, this 5: they may not do the same work, or not as many steps of it"
    assert analyze_against([many], [few]).notes == [note]


def test_on_another_device_kernels_are_matched_by_their_operation() -> None:
    after, before = (
        PUBLIC_TRACES / f"{name}.json.gz" for name in ("v100_hta_trace_diff_test", "a100_hta_trace_diff_control")
    )
    if not after.exists():
        pytest.skip("the public traces are not on this machine; they are not part of the repository")
    answer = analyze_against([after], [before])
    assert "the devices differ: the baseline ran on NVIDIA A100-PG509-200, this on Tesla V100" in answer.notes[0]
    product = of(answer.operations, "aten::addmm")
    assert product.matched_by is MatchedBy.OPERATION
    assert "volta" in product.after_kernels[0]
    assert "volta" not in product.before_kernels[0]
    compiled = of(answer.operations, "CompiledFunctionBackward")  # the later trace is of a compiled model
    assert (compiled.before_calls, compiled.after_calls > 1000) == (0, True)
    assert sum(change.change_ns for change in answer.operations) == answer.after.busy_ns - answer.before.busy_ns


@pytest.mark.parametrize(
    ("after", "before"), [("decode_b1_graph", "decode_b1_eager"), ("h2d_pinned_overlapped", "h2d_pageable")]
)
def test_changes_of_the_parts_sum_to_that_of_the_span_and_of_operations_to_that_of_the_busy_time(
    after: str, before: str
) -> None:
    answer = compared(after, before)
    assert sum(part.change_ns for part in answer.parts) == answer.change_ns
    assert answer.change_ns == answer.after.span_ns - answer.before.span_ns
    assert sum(each.change_ns for each in answer.operations) == answer.after.busy_ns - answer.before.busy_ns


def test_a_trace_against_itself_has_not_changed() -> None:
    answer = compared("tiny_kernels", "tiny_kernels")
    assert answer.change_ns == 0
    assert {change.change_ns for change in (*answer.parts, *answer.families, *answer.operations)} == {0}
    assert answer.notes == []


def test_planted_changes_are_found_by_operation(tmp_path: Path) -> None:
    before = written(
        tmp_path,
        "before.json",
        launched("aten::mm", [0, 100], 20, "volta_sgemm")
        + launched("aten::add", [200], 5, "vectorized_elementwise", first=10),
    )
    after = written(
        tmp_path,
        "after.json",
        launched("aten::mm", [0, 100], 30, "ampere_sgemm") + launched("aten::mul", [200], 5, "other", first=10),
    )
    answer = analyze_against([after], [before])
    first, *others = answer.operations
    assert (first.name, first.matched_by) == ("aten::mm", MatchedBy.OPERATION)
    assert (first.before_ns, first.after_ns, first.before_calls, first.after_calls) == (40_000, 60_000, 2, 2)
    assert (first.before_kernels, first.after_kernels) == (["volta_sgemm"], ["ampere_sgemm"])
    assert {(each.name, each.before_calls, each.after_calls) for each in others} == {
        ("aten::add", 1, 0),
        ("aten::mul", 0, 1),
    }
    gemm = next(change for change in answer.families if change.family is Family.GEMM)
    assert gemm.change_ns == 20_000


def test_a_call_without_launch_counts_with_the_operation_that_launched_the_others() -> None:
    before = [KernelTime("sgemm", "aten::mm", 9, 90), KernelTime("sgemm", None, 1, 10)]
    after = [KernelTime("other", "aten::mm", 10, 80)]
    (change,) = matched(before, after)
    assert (change.name, change.before_calls, change.change_ns) == ("aten::mm", 10, -20)


def test_a_kernel_whose_calls_mostly_have_no_operation_is_matched_by_its_name_in_both() -> None:
    eager = [KernelTime("sgemm", "aten::mm", 10, 100)]
    replayed = [KernelTime("sgemm", "aten::linear", 1, 9), KernelTime("sgemm", None, 9, 81)]
    (change,) = matched(eager, replayed)
    assert (change.name, change.matched_by, change.change_ns) == ("sgemm", MatchedBy.KERNEL, -10)


def test_steps_of_one_phase_are_compared_by_the_step(tmp_path: Path) -> None:
    def steps(number: int, lasting_us: float) -> list[Event]:
        marks = [annotation(f"ProfilerStep#{step}", 1000 * step, 999) for step in range(number)]
        kernels = [launched("aten::mm", [1000 * step], lasting_us, "gemm", 1 + step) for step in range(number)]
        return [*marks, *(event for step in kernels for event in step)]

    answer = analyze_against([written(tmp_path, "a.json", steps(6, 900))], [written(tmp_path, "b.json", steps(4, 950))])
    assert (answer.basis, answer.before.steps, answer.after.steps) == (Basis.STEP, 4, 6)
    assert answer.change_ns > 0  # of more steps, each of which is shorter
    assert answer.notes == []


def test_ranks_are_summed(tmp_path: Path) -> None:
    one = written(tmp_path, "one.json", launched("aten::mm", [0, 100], 20))
    folder = tmp_path / "ranks"
    folder.mkdir()
    for name in ("0.json", "1.json"):
        written(folder, name, launched("aten::mm", [0, 100], 20))
    answer = analyze_against([folder], [one])
    assert (len(answer.before.ranks), len(answer.after.ranks)) == (1, 2)
    assert answer.after.span_ns == 2 * answer.before.span_ns
    assert "times are sums over ranks: 1 of the baseline, 2 of this" in answer.notes


def test_one_rank_that_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    good = written(tmp_path, "good.json", launched("aten::mm", [0, 100]))
    bad = tmp_path / "bad.json"
    bad.write_text("nothing")
    answer = analyze_against([good, bad], [good])
    assert [note for note in answer.notes if "bad.json" in note] == [answer.notes[-1]]


class Told(SilentProgress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_side_that_cannot_be_read_is_an_error_that_names_it_once(tmp_path: Path, jobs: int) -> None:
    good = written(tmp_path, "good.json", launched("aten::mm", [0, 100]))
    gone = tmp_path / "gone.json"
    progress = Told()
    why = f"cannot read {gone}: No such file or directory"
    with pytest.raises(UnreadableError) as of_baseline:
        analyze_against([good, good], [gone], jobs=jobs, progress=progress)
    assert of_baseline.value.message == f"no trace of the baseline could be read: {why}"
    assert of_baseline.value.hint == "bottleneck analyze after.json.gz --against before.json.gz"
    with pytest.raises(UnreadableError) as of_others:
        analyze_against([gone, tmp_path / "none.json"], [good], jobs=jobs, progress=progress)
    assert of_others.value.message == f"no trace to compare with the baseline could be read (nor 1 more): {why}"
    assert progress.notes == []


def test_an_interrupt_says_that_nothing_is_kept_and_how_much_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = against.analyzed_devices

    def interrupted(name: str, *rest: Any) -> object:
        if "slow_host" in name:
            raise KeyboardInterrupt
        return read(name, *rest)

    monkeypatch.setattr(against, "analyzed_devices", interrupted)
    baseline = [RECORDINGS / f"{name}.json.gz" for name in ("tiny_kernels", "copy_stream")]
    with pytest.raises(InterruptedByUser) as interrupt:
        analyze_against([RECORDINGS / "slow_host.json.gz"], baseline, jobs=1)
    assert interrupt.value.message == "2 traces were read; a comparison takes all of both sides, so nothing is kept"
    assert interrupt.value.partial is None
