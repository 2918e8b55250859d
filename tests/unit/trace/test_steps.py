from __future__ import annotations

import json

import numpy as np
import pytest

from profiler.trace.kineto import read_kineto
from profiler.trace.steps import Step, cut, representative, steps_of
from profiler.trace.timeline import Call
from tests.unit.trace.trace_events import (
    RECORDINGS,
    annotation,
    call,
    kernel,
    operation,
    public_trace,
    recording,
    timeline_of,
)

_INDEX = json.loads((RECORDINGS / "index_h100.json").read_text())["recordings"]


def step(index: int, start_ns: int, end_ns: int) -> Step:
    return Step("step", index, 0, start_ns, end_ns, None, None)


@pytest.mark.parametrize("entry", _INDEX, ids=lambda entry: entry["name"])
def test_the_steps_of_a_recording_hold_all_that_the_device_did_and_are_equal(entry):
    timeline = recording(entry["name"])
    steps = steps_of(timeline)
    assert [each.index for each in steps] == list(range(entry["steps_traced"]))
    pieces = [cut(timeline, each) for each in steps]
    assert sum(len(piece.device) for piece in pieces) == len(timeline.device)
    assert len({len(piece.device) for piece in pieces}) == 1
    assert len({len(piece.operations) for piece in pieces}) == 1


@pytest.mark.parametrize(
    ("name", "activities"),
    [
        ("decode_b1_eager", 1496),
        ("decode_b1_graph", 1724),
        ("decode_b1_graph_body", 1724),
        ("prefill_b1_8192", 1463),
        ("tiny_kernels", 500),
        ("sync_every_op", 200),
    ],
)
def test_a_step_of_a_recording_has_as_many_activities_as_were_launched(name, activities):
    timeline = recording(name)
    assert len(cut(timeline, steps_of(timeline)[0]).device) == activities


def test_steps_of_torchs_own_schedule_are_found():
    steps = steps_of(public_trace("v100_resnet50_workers0"))
    assert [each.index for each in steps] == list(range(5, 5 + len(steps)))
    assert len(steps) == 6


def test_the_steps_of_torch_and_of_hand_written_loops_are_found():
    timeline = timeline_of(
        annotation("step 4", 20, 10),
        annotation("ProfilerStep#5", 40, 10),
        annotation("step by step", 60, 10),
        annotation("a step 7", 80, 10),
    )
    assert [(each.name, each.index) for each in steps_of(timeline)] == [("step", 4), ("step", 5)]


def test_our_steps_carry_their_phase_and_others_beside_them_are_none():
    timeline = timeline_of(annotation("bottleneck.step:decode#3", 0, 10), annotation("step 4", 20, 10))
    assert [(each.name, each.index) for each in steps_of(timeline)] == [("decode", 3)]


def test_our_step_within_one_of_torch_is_the_step():
    timeline = timeline_of(annotation("ProfilerStep#5", 0, 10), annotation("bottleneck.step:decode#0", 1, 8))
    assert [(each.name, each.index) for each in steps_of(timeline)] == [("decode", 0)]


def test_a_step_within_a_step_is_not_counted_twice():
    timeline = timeline_of(annotation("ProfilerStep#5", 0, 10), annotation("step 0", 1, 8))
    assert [(each.name, each.index) for each in steps_of(timeline)] == [("step", 5)]


def test_the_device_window_is_that_of_what_was_launched_within():
    timeline = timeline_of(
        kernel(1, 2),
        annotation("step 0", 0, 10),
        call("cudaLaunchKernel", 8, 1, correlation=1),
        annotation("step 1", 10, 10),
        kernel(12, 30, correlation=1),
    )
    first, second = steps_of(timeline)
    assert (first.device_start_ns, first.device_end_ns) == (1000, 42_000)
    assert first.wall_ns == 42_000
    assert (second.device_start_ns, second.wall_ns) == (None, 10_000)


def test_a_kernel_belongs_to_the_step_that_launched_it_and_one_without_a_launch_to_its_own_time():
    timeline = timeline_of(
        annotation("step 0", 0, 10),
        call("cudaLaunchKernel", 8, 1, correlation=1),
        annotation("step 1", 10, 10),
        kernel(12, 3, correlation=1, name="launched before"),
        kernel(15, 3, name="launch not recorded"),
    )
    first, second = (cut(timeline, each) for each in steps_of(timeline))
    assert [first.names[name] for name in first.device.name] == ["launched before"]
    assert [second.names[name] for name in second.device.name] == ["launch not recorded"]


def test_a_cut_renumbers_what_refers_to_other_rows():
    timeline = timeline_of(
        operation("aten::early", 0, 5),
        annotation("bottleneck.module:early", 0, 6),
        call("cudaLaunchKernel", 2, 1, correlation=1),
        annotation("step 1", 10, 20),
        annotation("bottleneck.module:layer", 11, 18),
        operation("aten::linear", 12, 10, **{"Input Dims": [[1, 2]]}),
        operation("aten::mm", 13, 5, **{"Input Dims": [[3, 4]]}),
        call("cudaLaunchKernel", 14, 1, correlation=2),
        kernel(20, 3, correlation=2),
    )
    piece = cut(timeline, steps_of(timeline)[0])
    call_row, operation_row = int(piece.device.call[0]), int(piece.device.operation[0])
    assert piece.host.correlation[call_row] == 2
    assert piece.name_of(piece.operations.name, operation_row) == "aten::mm"
    assert piece.operations.shapes == [[[1, 2]], [[3, 4]]]
    assert piece.name_of(piece.operations.name, piece.operations.parent[operation_row]) == "aten::linear"
    assert piece.name_of(piece.ranges.name, piece.operations.module[operation_row]) == "bottleneck.module:layer"
    assert piece.host.operation.tolist() == [operation_row]


@pytest.mark.parametrize("name", ["decode_b1_eager", "prefill_b1_512", "decode_offload_4layers"])
def test_the_links_of_a_cut_are_those_of_the_whole(name):
    timeline = recording(name)
    for each in steps_of(timeline):
        piece = cut(timeline, each)
        assert (piece.host.correlation[piece.device.call] == piece.device.correlation).all()
        around = piece.device.operation
        assert (piece.operations.start_ns[around] <= piece.host.start_ns[piece.device.call]).all()
        assert (piece.operations.end_ns[around] >= piece.host.end_ns[piece.device.call]).all()
        assert all(piece.operations.shapes[row] for row in around)


def test_a_graphs_kernels_go_with_their_launch_even_where_they_run_in_the_next_step():
    timeline = recording("decode_b1_graph")
    for each in steps_of(timeline):
        piece = cut(timeline, each)
        assert piece.host.kind[np.unique(piece.device.call)].tolist() == [Call.GRAPH_LAUNCH]


def test_the_first_of_three_steps_is_set_aside_and_the_median_of_the_rest_is_taken():
    steps = [step(0, 0, 20), step(1, 100, 190), step(2, 200, 230), step(3, 300, 350)]
    assert representative(steps, np.empty((0, 2), np.int64)).index == 3


def test_a_step_during_which_the_tracer_held_the_host_is_set_aside():
    steps = [step(0, 0, 30), step(1, 100, 140)]
    assert representative(steps, np.array([[5, 6]])).index == 1
    assert representative(steps, np.array([[130, 150]])).index == 0


def test_where_the_tracer_held_the_host_in_all_steps_one_is_chosen_all_the_same():
    steps = [step(0, 0, 30), step(1, 100, 140)]
    assert representative(steps, np.array([[0, 200]])).index == 0


def test_the_step_chosen_of_each_recording_is_one_that_the_tracer_left_alone():
    for path in RECORDINGS.glob("*.json.gz"):
        timeline = read_kineto(path)
        steps = steps_of(timeline)
        assert len(steps) == 1 or len(cut(timeline, representative(steps, timeline.overhead)).overhead) == 0


def test_no_step_cannot_be_chosen():
    with pytest.raises(ValueError, match="no step"):
        representative([], np.empty((0, 2), np.int64))
