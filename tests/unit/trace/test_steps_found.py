"""Where steps begin and end, by annotations and by what the device repeats, on traces whose steps are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiler.report.trace_phases import FoundBy, PhaseKind
from profiler.trace.kineto import read_kineto
from profiler.trace.repeated_steps import repeated_steps
from profiler.trace.step_table import StepTable
from profiler.trace.steps_found import find_steps
from profiler.trace.timeline import Timeline
from tests.unit.trace.trace_events import (
    RECORDINGS,
    annotation,
    call,
    copy,
    kernel,
    public_trace,
    recording,
    timeline_of,
)

OWN = RECORDINGS.parent / "own"
# Three steps, or two: the annotations that these recordings have are what their kernels must tell without them.
RECORDED = ["decode_b16_graph", "decode_b256_graph", "decode_b1_eager", "prefill_b1_128", "prefill_b1_512"]


def steps_of(timeline: Timeline) -> StepTable:
    steps = find_steps(timeline)
    assert steps is not None
    return steps


def unmarked(timeline: Timeline) -> Timeline:
    """The same trace without a single range."""
    none = np.empty(0, np.int64)
    ranges = replace(timeline.ranges, start_ns=none, end_ns=none, name=none, thread=none, parent=none)
    operations = replace(timeline.operations, module=np.full(len(timeline.operations), -1))
    return replace(timeline, ranges=ranges, operations=operations)


def kinds(steps: StepTable) -> list[PhaseKind]:
    return [steps.sorts[number].kind for number in steps.sort.tolist()]


@pytest.mark.parametrize("name", ["mi300_vllm_decode_graph", "mi300_sglang_decode"])
def test_an_engines_annotation_is_the_step_that_it_launched_long_before(name: str) -> None:
    """vLLM's range is over before the first of its kernels starts; SGLang's lies within one in vLLM's words."""
    timeline = public_trace(name)
    steps = steps_of(timeline)
    assert (steps.found_by, kinds(steps)) == (FoundBy.ENGINE, [PhaseKind.DECODE])
    assert (int(steps.start_ns[0]), int(steps.end_ns[0])) == timeline.device.span_ns


@pytest.mark.parametrize("name", ["smollm135m-eager-trace", "smollm135m-graph-trace"])
def test_prefill_and_decode_are_told_apart_by_what_the_ranges_are_called(name: str) -> None:
    steps = steps_of(read_kineto(OWN / f"{name}.json.gz"))
    assert kinds(steps) == [PhaseKind.PREFILL, PhaseKind.PREFILL, PhaseKind.DECODE, PhaseKind.DECODE]
    assert steps.followed.tolist() == [True, False, True, False]  # seconds of silence lie between the phases


@pytest.mark.parametrize(
    ("name", "count"),
    [("a100_hta_trace_diff_control", 6), ("hta_ns_resolution", 5), ("v100_resnet50_workers0", 6)],
)
def test_the_profilers_steps_partition_what_they_launched(name: str, count: int) -> None:
    timeline = public_trace(name)
    steps = steps_of(timeline)
    assert (len(steps), steps.found_by) == (count, FoundBy.ANNOTATION)
    assert steps.end_ns[:-1].tolist() == steps.start_ns[1:].tolist()
    assert (int(steps.start_ns[0]), int(steps.end_ns[-1])) == timeline.device.span_ns


@pytest.mark.parametrize("name", RECORDED)
def test_the_kernels_tell_the_steps_of_a_recording_without_its_annotations(name: str) -> None:
    timeline = recording(name)
    marked, repeated = steps_of(timeline), steps_of(unmarked(timeline))
    assert repeated.found_by is FoundBy.KERNEL_PATTERN
    assert repeated.start_ns.tolist() == marked.start_ns.tolist()
    assert repeated.end_ns.tolist() == marked.end_ns.tolist()


def test_the_kernels_tell_prefills_and_decodes_of_one_trace_without_its_annotations() -> None:
    timeline = read_kineto(OWN / "smollm135m-graph-trace.json.gz")
    marked, repeated = steps_of(timeline), steps_of(unmarked(timeline))
    assert len(repeated) == len(marked) == 4
    # The ranges begin with the copies of the inputs, the kernels that agree a little later.
    assert np.abs(repeated.start_ns - marked.start_ns).max() < 1_000_000


@pytest.mark.parametrize("name", ["a100_hta_trace_diff_control", "v100_resnet50_workers0"])
def test_the_kernels_tell_the_steps_of_a_training_loop(name: str) -> None:
    timeline = public_trace(name)
    assert steps_of(unmarked(timeline)).start_ns.tolist() == steps_of(timeline).start_ns.tolist()


def test_the_profilers_only_step_gives_way_to_the_iterations_that_repeat_in_it() -> None:
    timeline = public_trace("h100_owlv2_large")
    steps = steps_of(timeline)
    assert (len(steps), steps.found_by) == (5, FoundBy.KERNEL_PATTERN)
    assert (int(steps.start_ns[0]), int(steps.end_ns[-1])) == timeline.device.span_ns
    assert steps.followed.tolist() == [True] * 4 + [False]  # each waits as long as it works for its input


@pytest.mark.parametrize("name", ["decode_b1_graph_body", "decode_offload_4layers", "prefill_b1_8192"])
def test_the_layers_of_one_recorded_step_are_no_steps(name: str) -> None:
    assert repeated_steps(recording(name)) is None


@pytest.mark.parametrize("name", ["mi300_vllm_decode_graph", "mi300_sglang_decode", "h100_qwen1.5_0.5b"])
def test_the_layers_of_one_public_step_are_no_steps(name: str) -> None:
    assert repeated_steps(public_trace(name)) is None


def test_ranges_that_launch_little_of_what_runs_mark_something_within_a_step() -> None:
    events = []
    for step in range(3):
        begin = 1_000 * step
        events += [annotation(f"ProfilerStep#{step}", begin, 900), annotation("decode_attention", begin + 300, 20)]
        events += [call("cudaLaunchKernel", begin + 10, 5, 2 * step + 1), kernel(begin + 20, 800, 2 * step + 1)]
        events += [call("cudaLaunchKernel", begin + 305, 5, 2 * step + 2), kernel(begin + 850, 20, 2 * step + 2)]
    steps = steps_of(timeline_of(*events))
    assert (len(steps), kinds(steps)[0]) == (3, PhaseKind.UNKNOWN)


def test_an_annotation_on_another_thread_neither_hides_nor_nests_a_step() -> None:
    """A second thread marks batches that it loads, each around two of the steps that launch."""
    events = []
    for step in range(4):
        begin = 1_000 * step
        events += [annotation(f"ProfilerStep#{step}", begin, 900), call("cudaLaunchKernel", begin + 10, 5, step + 1)]
        events += [kernel(begin + 20, 800, step + 1)]
    loading = [annotation(f"batch {number}", 2_000 * number - 50, 1_990, tid=2) for number in range(3)]
    alone, beside = steps_of(timeline_of(*events)), steps_of(timeline_of(*events, *loading))
    assert len(alone) == 4
    assert beside.start_ns.tolist() == alone.start_ns.tolist()


def test_what_a_thread_without_ranges_launches_belongs_to_the_thread_that_marks_what_it_launches() -> None:
    """Autograd's thread launches the backward pass in the step that the main thread marks, not in a batch loaded."""
    events = []
    for step in range(3):
        begin, forward, backward = 1_000 * step, 2 * step + 1, 2 * step + 2
        events += [annotation(f"ProfilerStep#{step}", begin, 900), annotation(f"batch {step}", begin + 400, 900, tid=2)]
        events += [call("cudaLaunchKernel", begin + 10, 5, forward), kernel(begin + 20, 300, forward)]
        events += [call("cudaLaunchKernel", begin + 500, 5, backward, tid=3), kernel(begin + 520, 300, backward)]
    steps = steps_of(timeline_of(*events))
    assert (steps.start_ns - steps.start_ns[0]).tolist() == [0, 1_000_000, 2_000_000]


def loop(steps: int, layers: int, prefix: int, cut: int, gap_us: int) -> list[dict[str, Any]]:
    """A decode loop: a lookup, layers, a head, and the token read back; warm-up before it, and an end within a step."""
    events: list[dict[str, Any]] = []
    time = 0.0

    def run(name: str) -> None:
        nonlocal time
        if name.startswith("Memcpy"):
            events.append(copy(name, time, 2))
        else:
            events.append(kernel(time, 5, name=name))
        time += 6

    for number in range(prefix):
        run(f"warm_up_{number % 3}")
    for _ in range(steps):
        for name in ("embedding_lookup", "rotary_table", *("gemm", "flash_fwd", "gemm") * layers, "head", "argmax"):
            run(name)
        run("Memcpy DtoH (Device -> Pageable)")
        time += gap_us
    for name in ("embedding_lookup", "rotary_table", "gemm", "flash_fwd")[:cut]:
        run(name)
    return events


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 9), st.integers(0, 4), st.integers(1, 90))
def test_a_loops_steps_are_found_whatever_comes_before_and_after(
    steps: int, layers: int, prefix: int, cut: int, gap_us: int
) -> None:
    found = repeated_steps(timeline_of(*loop(steps, layers, prefix, cut, gap_us)))
    if layers == 1:
        assert found is None  # nothing tells a model of one layer from one of the layers of a model
        return
    assert found is not None
    length = 6 * (5 + 3 * layers) + gap_us
    at = [(6 * prefix + length * number) * 1_000 for number in range(steps)]
    assert found.start_ns.tolist()[-(steps - 1) :] == at[1:]
    assert bool((found.end_ns > found.start_ns).all())
    assert bool((found.start_ns[1:] >= found.end_ns[:-1]).all())
