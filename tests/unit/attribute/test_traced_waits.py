"""What a report says of the host's costly operations and of the critical path, on traces whose truth is known."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from profiler.report.analysis import PartName, RankAnalysis
from profiler.report.trace_waits import CriticalPath, HostOperation, HostWorkKind, PathKind
from profiler.session.analyze import analyze_trace
from tests.unit.trace.trace_events import (
    PUBLIC_TRACES,
    RECORDINGS,
    Event,
    annotation,
    call,
    frame,
    kernel,
    operation,
    trace_bytes,
)

CUDNN_PLAN = Path(__file__).parents[2] / "data" / "frames" / "cudnn_plan.json.gz"
OF_THE_HOST = (
    PartName.IDLE_HOST,
    PartName.IDLE_SYNC,
    PartName.IDLE_INPUT,
    PartName.IDLE_STAGING,
    PartName.IDLE_NOTHING_ASKED,
)


@cache
def analysed(path: Path) -> RankAnalysis:
    if not path.exists():
        pytest.skip(f"the public trace {path.name} is not on this machine; it is not part of the repository")
    (rank,) = analyze_trace(path.name, path.read_bytes())
    return rank


def public(name: str) -> RankAnalysis:
    return analysed(PUBLIC_TRACES / f"{name}.json.gz")


def recorded(name: str) -> RankAnalysis:
    return analysed(RECORDINGS / f"{name}.json.gz")


def rank_of(*events: Event) -> RankAnalysis:
    (rank,) = analyze_trace("a.json", trace_bytes(events))
    return rank


def events_of(path: Path) -> list[Event]:
    events: list[Event] = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    return events


def path_of(rank: RankAnalysis) -> CriticalPath:
    assert rank.critical_path is not None
    return rank.critical_path


def costliest(rank: RankAnalysis) -> HostOperation:
    return rank.host_operations[0]


def test_cudnn_s_planning_is_what_an_eager_decode_of_new_lengths_waits_for() -> None:
    plan = costliest(analysed(CUDNN_PLAN))
    assert (plan.name, plan.kind, plan.calls) == ("aten::_cudnn_attention_forward", HostWorkKind.OPERATION, 8)
    took = [event["dur"] for event in events_of(CUDNN_PLAN) if event["name"] == plan.name]
    assert (plan.host_ns, plan.longest_ns) == (round(sum(took) * 1e3), round(max(took) * 1e3))
    assert plan.idle_fraction == pytest.approx(0.936, abs=0.001)
    assert plan.within[:2] == ["aten::_scaled_dot_product_cudnn_attention", "aten::scaled_dot_product_attention"]
    assert plan.frames[:2] == ["built-in scaled_dot_product_attention", "record_cudnn.py(22): forward"]


def test_an_image_processor_on_the_cpu_is_found_within_the_data_loader() -> None:
    zoom = costliest(public("h100_owlv2_large"))
    assert (zoom.name, zoom.kind, zoom.cause) == ("built-in zoom_shift", HostWorkKind.PYTHON, PartName.IDLE_INPUT)
    assert zoom.idle_fraction == pytest.approx(0.825, abs=0.001)
    assert zoom.frames[0] == "scipy/ndimage/_interpolation.py(739): zoom"
    assert any(place.startswith("enumerate(DataLoader)#") for place in zoom.within)


def test_a_data_loader_that_the_old_schema_calls_an_operation_is_one() -> None:
    rank = public("v100_resnet50_workers0")
    assert costliest(rank).name.startswith("enumerate(DataLoader)#")
    assert costliest(rank).cause is PartName.IDLE_INPUT
    (waited,) = (part.fraction for part in rank.parts if part.part is PartName.IDLE_INPUT)
    assert waited == pytest.approx(0.285, abs=0.001)


def test_time_in_python_that_was_not_recorded_is_said_to_be_between_operations() -> None:
    between = costliest(recorded("slow_host"))
    assert (between.name, between.kind) == ("Python between operations", HostWorkKind.NONE)
    assert between.idle_fraction > 0.9
    assert (between.host_ns, between.longest_ns) == (None, None)
    assert between.sources["host_ns"].missing


def test_a_launch_of_a_graph_outside_any_operation_is_charged_itself() -> None:
    launch = costliest(recorded("decode_b1_graph"))
    assert (launch.name, launch.kind, launch.within) == ("cudaGraphLaunch", HostWorkKind.CALL, ["step 2"])


def test_a_sync_after_every_operation_leads_the_path_through_waking_up() -> None:
    kinds = {each.kind: each.fraction for each in path_of(recorded("sync_every_op")).kinds}
    assert kinds[PathKind.SYNC] > 0.05
    syncs = [group for group in path_of(recorded("sync_every_op")).top if group.kind is PathKind.SYNC]
    assert [group.name for group in syncs] == ["aten::_local_scalar_dense"]


@pytest.mark.parametrize("name", ["h100_bert_small", "h100_owlv2_large", "mi250_hta_minitoy", "hta_ns_resolution"])
def test_the_charges_never_exceed_the_idle_time_nor_the_path_the_span(name: str) -> None:
    rank = public(name)
    path = path_of(rank)
    blamed = sum(part.ns for part in rank.parts if part.part in OF_THE_HOST)
    assert 0 < sum(each.idle_ns for each in rank.host_operations) <= blamed <= rank.idle_ns
    assert all(each.idle_ns <= each.host_ns for each in rank.host_operations if each.host_ns is not None)
    assert sum(each.ns for each in path.kinds) == rank.span_ns
    assert sum(each.segments for each in path.kinds) == path.segments
    assert sum(each.ns for each in path.top) <= rank.span_ns
    assert len(rank.host_operations) <= 10
    assert [each.idle_ns for each in rank.host_operations] == sorted(
        (each.idle_ns for each in rank.host_operations), reverse=True
    )


def test_a_function_that_calls_itself_counts_its_time_once() -> None:
    rank = rank_of(
        call("cudaLaunchKernel", 0, 2, 1),
        kernel(5, 10, 1),
        frame("a.py(1): f", 20, 100),
        frame("a.py(1): f", 30, 80),
        call("cudaLaunchKernel", 130, 2, 2),
        kernel(135, 10, 2),
    )
    (mine,) = (each for each in rank.host_operations if each.name == "a.py(1): f")
    assert (mine.calls, mine.host_ns, mine.longest_ns, mine.idle_ns) == (2, 100_000, 100_000, 100_000)


def test_calls_before_the_device_worked_do_not_count() -> None:
    rank = rank_of(
        operation("aten::mm", -900, 800),
        operation("aten::mm", 18, 20),
        call("cudaLaunchKernel", 0, 2, 1),
        kernel(5, 10, 1),
        call("cudaLaunchKernel", 130, 2, 2),
        kernel(135, 10, 2),
    )
    (mine,) = (each for each in rank.host_operations if each.name == "aten::mm")
    assert (mine.calls, mine.host_ns) == (1, 20_000)


def test_time_in_which_nothing_at_all_was_recorded_is_said_to_be_so() -> None:
    rank = rank_of(
        call("cudaLaunchKernel", 0, 2, 1),
        kernel(5, 10, 1),
        annotation("later", 40_000, 10),
        call("cudaLaunchKernel", 40_020, 2, 2),
        kernel(40_025, 10, 2),
    )
    assert costliest(rank).name == "(nothing recorded)"
    assert costliest(rank).cause is PartName.IDLE_NOTHING_ASKED
    assert path_of(rank).top[0].name == "(nothing recorded)"


def test_a_trace_that_lacks_its_work_has_no_path_and_says_why() -> None:
    rank = public("mi300_sglang_decode")
    assert (rank.critical_path, rank.host_operations) == (None, [])
    assert rank.sources["critical_path"].missing


def test_the_parts_alone_have_no_path_and_say_why() -> None:
    (rank,) = analyze_trace("a.json.gz", CUDNN_PLAN.read_bytes(), parts_only=True)
    assert (rank.critical_path, rank.host_operations) == (None, [])
    assert "--parts-only" in (rank.sources["critical_path"].missing or "")
