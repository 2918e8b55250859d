"""Traces in, verdicts out: on real traces whose truth is known, and on those that cannot carry a verdict."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from profiler.errors import InterruptedByUser, UnreadableError
from profiler.report.analysis import PartName, RankAnalysis
from profiler.report.ceilings import Ceiling, Ceilings
from profiler.report.vocabulary import BottleneckClass, Cause, Tier, VerdictState
from profiler.session.analyze import AS_TRACED, analyze, analyze_inputs, analyze_trace
from profiler.session.trace_inputs import TraceInput
from tests.unit.trace.side_by_side import side_by_side
from tests.unit.trace.trace_events import RECORDINGS, call, kernel, operation, trace_bytes

PUBLIC = Path(__file__).parents[3] / "../shared/data/traces"


@cache
def public(name: str) -> RankAnalysis:
    path = PUBLIC / name
    if not path.exists():
        pytest.skip(f"the public trace {name} is not on this machine; it is not part of the repository")
    (rank,) = analyze_trace(name, path.read_bytes())
    return rank


@cache
def recorded(name: str) -> RankAnalysis:
    (rank,) = analyze_trace(name, (RECORDINGS / f"{name}.json.gz").read_bytes())
    return rank


def part(rank: RankAnalysis, name: PartName) -> float:
    return next((each.fraction for each in rank.parts if each.part is name), 0.0)


def test_a_small_model_on_a_large_gpu_is_held_back_by_launching() -> None:
    rank = public("h100_bert_small.json.gz")
    assert (rank.verdict.class_, rank.verdict.cause) == (BottleneckClass.SCHEDULING, Cause.SCHEDULING_HOST)
    assert rank.verdict.state is VerdictState.CLEAR
    assert round(100 * rank.idle_ns / rank.span_ns) == 92


def test_a_loop_that_waits_for_its_data_loader_is_held_back_by_its_input() -> None:
    rank = public("h100_owlv2_large.json.gz")
    assert (rank.verdict.state, rank.verdict.cause) == (VerdictState.CLEAR, Cause.IO_INPUT)


def test_kernels_without_launch_are_counted_and_named() -> None:
    rank = public("h100_qwen1.5_0.5b.json.gz")
    (finding,) = rank.integrity
    assert (finding.code, finding.count, finding.of) == ("kernels_without_launch", 436, 1465)
    assert "30% lower" in finding.effect
    assert (round(rank.idle_ns, -2), round(rank.kernel_ns, -2)) == (4_005_500, 45_432_700)
    assert sum(family.kernels for family in rank.families) == 1465 + 241  # and the memsets


def test_an_under_recorded_trace_gets_its_accounts_and_no_verdict() -> None:
    rank = public("mi300_sglang_decode.json.gz")
    assert rank.verdict.state is VerdictState.REFUSED
    assert rank.verdict.class_ is None
    assert rank.shares == []
    assert "not recorded" in rank.verdict.evidence[0]
    assert rank.integrity[0].effect == "idle time is overstated by as much; no verdict is given"
    assert rank.idle_ns + rank.busy_ns == rank.span_ns


def test_a_trace_that_does_not_name_its_device_says_how_to_get_a_verdict() -> None:
    rank = public("mi300_vllm_decode_graph.json.gz")
    assert rank.device is None
    assert rank.sources["device"].missing
    assert rank.verdict.state is VerdictState.REFUSED
    assert rank.verdict.evidence[0].endswith("nobody knows what limits them: the trace does not name its device")
    assert "--device" in rank.advice[0].action
    assert "--ceilings" in rank.advice[0].action
    assert f"{100 * rank.idle_ns / rank.span_ns:.2f}" == "0.24"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("copy_stream", Cause.MEMORY_COPY),
        ("gemm_large", Cause.COMPUTE_TENSOR),
        ("repeat_kv", Cause.COMPUTE_ISSUE),
        ("h2d_pageable", Cause.IO_H2D),
        ("decode_offload_4layers", Cause.IO_H2D),
        ("tiny_kernels", Cause.SCHEDULING_HOST),
        ("slow_host", Cause.SCHEDULING_HOST),
        ("sync_every_op", Cause.SCHEDULING_HOST),
        ("decode_b1_eager", Cause.SCHEDULING_HOST),
    ],
)
def test_a_recording_whose_bottleneck_is_constructed_is_judged_right_from_its_trace_alone(
    name: str, cause: Cause
) -> None:
    verdict = recorded(name).verdict
    assert (verdict.state, verdict.cause) == (VerdictState.CLEAR, cause)


def test_a_verdict_that_hinges_on_how_much_the_tracer_slowed_the_host_is_not_clear() -> None:
    # Its prefill is half idle under the tracer, and without it held back by the matrix units.
    rank = recorded("prefill_b1_2048")
    assert rank.verdict.state is VerdictState.INCONCLUSIVE
    assert part(rank, PartName.IDLE_HOST) > 0.4


def test_every_rank_says_that_it_was_judged_as_traced_and_by_which_ceilings() -> None:
    first, second = recorded("copy_stream").notes
    assert first == AS_TRACED
    assert "datasheet" in second


@pytest.mark.parametrize("name", ["decode_b1_eager", "decode_b64_graph", "h2d_pinned_overlapped", "stream_imbalance"])
def test_parts_sum_to_the_span_and_families_to_what_is_busy(name: str) -> None:
    rank = recorded(name)
    assert sum(each.ns for each in rank.parts) == rank.span_ns
    assert sum(each.ns for each in rank.parts if each.part.is_idle) == rank.idle_ns
    copies = sum(each.ns for each in rank.parts if each.part.value in ("copy.h2d", "copy.d2h", "copy.p2p"))
    assert sum(family.ns for family in rank.families) + copies == rank.busy_ns


def test_measured_ceilings_of_the_same_device_count_instead_of_the_datasheet() -> None:
    values = {"read": (3080.0, "GB/s"), "gemm.bfloat16": (796.0, "TFLOP/s"), "kernel": (1.1, "us")}
    measured = Ceilings(
        device="NVIDIA H100 80GB HBM3",
        measured_at=None,
        from_cache=False,
        ceilings=[
            Ceiling(name=name, unit=unit, value=value, low=None, high=None, datasheet=None, tier=Tier.HOST)
            for name, (value, unit) in values.items()
        ],
    )
    data = (RECORDINGS / "gemm_large.json.gz").read_bytes()
    (rank,) = analyze_trace("gemm_large", data, measured)
    assert rank.notes[1] == "ceilings as measured on NVIDIA H100 80GB HBM3"
    assert rank.verdict.cause is Cause.COMPUTE_TENSOR
    other_device = Ceilings(device="T4", measured_at=None, from_cache=False, ceilings=[])
    (other,) = analyze_trace("gemm_large", data, other_device)
    assert "datasheet of NVIDIA H100" in other.notes[1]


def test_a_trace_of_a_cpu_has_no_span_and_no_verdict() -> None:
    (rank,) = analyze_trace("cpu", trace_bytes([operation("aten::mm", 0, 10)]))
    assert (rank.span_ns, rank.parts, rank.verdict.state) == (0, [], VerdictState.REFUSED)
    assert "no GPU" in rank.verdict.evidence[0]


def test_eight_ranks_are_one_job_and_the_last_at_the_collectives_is_the_straggler() -> None:
    path = PUBLIC / "v100x8_dlrm.tar.gz"
    if not path.exists():
        pytest.skip("the public trace v100x8_dlrm is not on this machine; it is not part of the repository")
    answer = analyze(path)
    assert answer.job is not None
    assert (answer.job.ranks, len(answer.ranks), answer.unreadable) == (8, 8, [])
    assert answer.job.span_ns == sum(each.ns for each in answer.job.parts)
    assert answer.job.straggler is not None
    shortest = min(answer.ranks, key=lambda rank: rank.overlap.collective_ns)
    assert answer.job.straggler.name == shortest.name
    assert "worker7" in shortest.name


def test_two_devices_in_one_file_are_two_ranks_as_each_would_be_alone() -> None:
    names = ("tiny_kernels", "gemm_large")
    answer = analyze_inputs([TraceInput("both.json", side_by_side(*names))])
    assert [rank.name for rank in answer.ranks] == ["both.json [GPU 0]", "both.json [GPU 1]"]
    assert answer.job is not None
    for rank, alone in zip(answer.ranks, map(recorded, names), strict=True):
        assert (rank.span_ns, rank.busy_ns, rank.idle_ns) == (alone.span_ns, alone.busy_ns, alone.idle_ns)
        assert (rank.families, rank.overlap) == (alone.families, alone.overlap)
        assert sum(part.ns for part in rank.parts) == rank.span_ns
        assert (rank.verdict.state, rank.verdict.cause) == (alone.verdict.state, alone.verdict.cause)
        assert rank.integrity == alone.integrity == []


def test_what_does_not_say_which_of_several_devices_it_ran_on_is_told_apart() -> None:
    events = [kernel(10 * number, 5) for number in range(3)]
    events[1]["args"]["device"] = 1
    del events[2]["args"]["device"]
    answer = analyze_inputs([TraceInput("a.json", trace_bytes(events))])
    assert [rank.name for rank in answer.ranks] == ["a.json [GPU unknown]", "a.json [GPU 0]", "a.json [GPU 1]"]
    assert [rank.span_ns for rank in answer.ranks] == [5_000] * 3
    for rank in answer.ranks:
        assert rank.verdict.state is VerdictState.REFUSED
        assert "do not say on which of the 2 devices they ran" in rank.verdict.evidence[0]


LITTLE = trace_bytes([call("cudaLaunchKernel", 0, 2, 1), kernel(5, 10, 1)])


def test_what_cannot_be_read_is_named_and_the_rest_analysed() -> None:
    inputs = [
        TraceInput("a.json", b"no json"),
        TraceInput("b.json", LITTLE),
        TraceInput("c.json", UnreadableError("c.json is gone")),
        TraceInput("d.json", b'{"traceEvents": 3}'),
        TraceInput("e.json", b""),
    ]
    answer = analyze_inputs(inputs)
    assert [rank.name for rank in answer.ranks] == ["b.json"]
    assert [each.name for each in answer.unreadable] == ["a.json", "c.json", "d.json", "e.json"]
    assert all(each.name in each.reason and "\n" not in each.reason for each in answer.unreadable)
    assert answer.job is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(LITTLE)[:-8] + b"no check", "damaged gzip file"),
        (gzip.compress(b'{"traceEvents": [' + b" " * 3_000_000), "holds more than 1000000 bytes"),
        (LITTLE.replace(b"}, {", b"} {"), "is not a PyTorch profiler trace"),
        (LITTLE[:60], "it ends before the end of its first event"),
    ],
    ids=["wrong gzip", "bomb", "wrong text", "truncated text"],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "bad.json.gz").write_bytes(data)
    (tmp_path / "good.json").write_bytes(LITTLE)
    answer = analyze(tmp_path / "bad.json.gz", tmp_path / "good.json", tmp_path / "gone.json", max_bytes=1_000_000)
    assert [Path(rank.name).name for rank in answer.ranks] == ["good.json"]
    first, second = (each.reason for each in answer.unreadable)
    assert reason in first
    assert "bad.json.gz" in first
    assert "No such file" in second


def test_where_nothing_can_be_read_the_first_reason_is_told() -> None:
    with pytest.raises(UnreadableError, match=r"nothing could be read \(nor 1 more\): a is gone; try: look for it"):
        analyze_inputs([TraceInput("a", UnreadableError("a is gone", "look for it")), TraceInput("b", b"")])


def test_an_interrupt_keeps_what_was_analysed_before() -> None:
    def inputs() -> Iterator[TraceInput]:
        yield TraceInput("a.json", LITTLE)
        raise KeyboardInterrupt

    with pytest.raises(InterruptedByUser) as interrupt:
        analyze_inputs(inputs(), jobs=1)
    partial = interrupt.value.partial
    assert partial is not None
    assert [rank.name for rank in partial.ranks] == ["a.json"]  # type: ignore[attr-defined]
    assert partial.complete is False  # type: ignore[attr-defined]


LAUNCH = call("cudaLaunchKernel", 0, 2, 1)


@pytest.mark.parametrize(
    "events",
    [
        [LAUNCH, kernel(5, -10, 1)],
        [LAUNCH, kernel(5, 0, 1), kernel(9, 0, 2)],
        [LAUNCH, kernel(1e300, 10, 1)],
        [LAUNCH, kernel(5, 9e15, 1)],
        [LAUNCH, {**kernel(5, 10, 1), "args": None}],
        [LAUNCH, {**kernel(5, 10, 1), "args": {"stream": "x", "device": "y"}}],
        [LAUNCH, {**kernel(5, 10, 1), "args": {"correlation": 1, "grid": [1], "block": []}}],
        [LAUNCH, {**kernel(5, 10, 1), "args": {"correlation": 1, "grid": [2**62, 4, 4], "block": [2**40, 2**40, 1]}}],
        [LAUNCH, {**kernel(5, 10, 1), "args": {"correlation": 1, "device": -3, "stream": -2}}],
        [kernel(0, 0), kernel(1, 1, 1), kernel(1001, 0), call("cudaStreamSynchronize", 0, 1, 1)],
    ],
    ids=[
        "negative",
        "empty",
        "far future",
        "endless",
        "no arguments",
        "words",
        "short grid",
        "huge grid",
        "no stream",
        "no time",
    ],
)
def test_a_trace_with_impossible_numbers_is_analysed_or_named_and_costs_the_others_nothing(
    events: list[dict[str, object]],
) -> None:
    answer = analyze_inputs([TraceInput("odd.json", trace_bytes(events)), TraceInput("b.json", LITTLE)])
    assert answer.ranks[-1].name == "b.json"
    assert len(answer.ranks) + len(answer.unreadable) == 2
    assert not any("Error" in each.reason for each in answer.unreadable)
    for rank in answer.ranks:
        assert sum(each.ns for each in rank.parts) == rank.span_ns
