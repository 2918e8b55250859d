"""The phases of a trace and parts of it: exact times, each with its own verdict, and none where none is due."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from profiler.errors import UnreadableError
from profiler.report.analysis import PartName, PhaseAnalysis, RankAnalysis
from profiler.report.trace_phases import FoundBy, KindFrom, PhaseKind, Window
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState
from profiler.session.analyze import analyze_trace
from profiler.trace.narrowing import Narrowing
from tests.unit.trace.trace_events import PUBLIC, PUBLIC_TRACES, RECORDINGS, call, kernel, trace_bytes

OWN = RECORDINGS.parent / "own"
LOOP = OWN / "smollm135m-eager-trace.json.gz"
MS = 1_000_000


@cache
def analysed(path: Path, narrowing: Narrowing | None = None) -> RankAnalysis:
    if not path.exists():
        pytest.skip(f"the public trace {path.name} is not on this machine; it is not part of the repository")
    (rank,) = analyze_trace(path.name, path, narrowing=narrowing)
    return rank


def public(name: str, narrowing: Narrowing | None = None) -> RankAnalysis:
    return analysed(PUBLIC_TRACES / f"{name}.json.gz", narrowing)


def recorded(name: str) -> RankAnalysis:
    return analysed(RECORDINGS / f"{name}.json.gz")


def only(rank: RankAnalysis) -> PhaseAnalysis:
    (phase,) = rank.phases
    return phase


def assert_adds_up(rank: RankAnalysis) -> None:
    for phase in rank.phases:
        assert phase.busy_ns + phase.idle_ns == phase.span_ns
        assert sum(part.ns for part in phase.parts) == phase.judged_ns
        assert sum(run.last - run.first + 1 for run in phase.steps) == phase.count
    assert sum(phase.span_ns for phase in rank.phases) <= rank.span_ns
    assert rank.busy_ns + rank.idle_ns == rank.span_ns == sum(part.ns for part in rank.parts)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_phases_of_a_public_trace_add_up(name: str) -> None:
    assert_adds_up(public(name))


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*[a-z0-9].json.gz")), ids=lambda path: path.name)
def test_the_phases_of_a_recording_add_up(path: Path) -> None:
    assert_adds_up(analysed(path))


def test_prefill_and_decode_of_one_trace_each_have_their_own_verdict() -> None:
    prefill, decode = analysed(LOOP).phases
    assert [prefill.kind, decode.kind] == [PhaseKind.PREFILL, PhaseKind.DECODE]
    assert [prefill.count, decode.count] == [2, 2]
    assert prefill.found_by is decode.found_by is FoundBy.ANNOTATION
    for phase in (prefill, decode):
        assert phase.verdict.cause is Cause.SCHEDULING_HOST
        assert phase.verdict.state is VerdictState.CLEAR
    assert prefill.step_ns.median_ns > decode.step_ns.median_ns > 30 * MS
    # Between the phases the trace shows nothing for seconds: that is in neither of them.
    assert any("94% of the time lies in none of the steps" in note for note in analysed(LOOP).notes)


@pytest.mark.parametrize(
    ("name", "kind", "klass"),
    [
        ("prefill_b1_8192", PhaseKind.PREFILL, BottleneckClass.COMPUTE),
        ("prefill_b1_128", PhaseKind.PREFILL, BottleneckClass.SCHEDULING),
        ("decode_b1_eager", PhaseKind.DECODE, BottleneckClass.SCHEDULING),
        ("decode_offload_4layers", PhaseKind.DECODE, BottleneckClass.IO),
    ],
)
def test_a_recordings_phase_is_what_it_is_known_to_be(name: str, kind: PhaseKind, klass: BottleneckClass) -> None:
    phase = only(recorded(name))
    assert (phase.name, phase.kind, phase.kind_from) == (kind.value, kind, KindFrom.SHAPES)
    assert phase.verdict.class_ is klass


def test_replays_of_a_graph_without_shapes_are_steps_of_unknown_kind() -> None:
    phase = only(recorded("decode_b16_graph"))
    assert (phase.name, phase.kind, phase.kind_from, phase.count) == ("step", PhaseKind.UNKNOWN, None, 3)
    assert phase.sources["kind"].missing


def test_a_phase_that_is_all_of_the_trace_has_the_traces_verdict() -> None:
    rank = public("h100_bert_small")
    phase = only(rank)
    assert (phase.verdict, phase.parts, phase.judged_ns) == (rank.verdict, rank.parts, rank.span_ns)


def test_a_loop_that_waits_for_its_input_does_so_in_each_step() -> None:
    phase = only(public("h100_owlv2_large"))
    assert (phase.found_by, phase.count, phase.verdict.cause) == (FoundBy.KERNEL_PATTERN, 5, Cause.IO_INPUT)
    assert phase.step_ns.steps == 4  # nobody knows how long the last one would have waited


def test_steps_of_one_name_that_run_other_kernels_are_said_to_be_unlike() -> None:
    mixed, alike = only(public("v100_hta_trace_diff_test")), only(public("a100_hta_trace_diff_control"))
    assert (mixed.count, mixed.found_by, alike.sorts) == (6, FoundBy.ANNOTATION, 1)
    assert mixed.sorts > 1


def test_a_trace_that_cannot_carry_a_verdict_has_none_for_its_phases() -> None:
    phase = only(public("mi300_sglang_decode"))
    assert (phase.kind, phase.found_by) == (PhaseKind.DECODE, FoundBy.ENGINE)
    assert phase.verdict.state is VerdictState.REFUSED
    assert "not recorded" in phase.verdict.evidence[0]


def test_work_that_was_not_recorded_is_missing_up_to_the_end_of_the_wait_for_it_and_not_after() -> None:
    """The host waits for 463.3 ms; the replay of 544 kernels that it launches then is whole."""
    early, late = (public("mi300_sglang_decode", Narrowing(from_ns=start * MS)) for start in (400, 464))
    assert early.integrity[0].code == "under_recorded"
    assert early.verdict.state is VerdictState.REFUSED
    assert late.integrity == []
    assert late.busy_ns > 0.9 * late.span_ns


def test_where_no_steps_are_found_that_is_said() -> None:
    rank = public("hta_event_sync_multi_stream")
    assert rank.phases == []
    assert any(note.startswith("no phases were found") for note in rank.notes)


def test_some_steps_of_a_trace_are_looked_at_as_if_it_had_no_others() -> None:
    whole, some = public("h100_owlv2_large"), public("h100_owlv2_large", Narrowing(1, 2))
    assert_adds_up(some)
    assert some.window == Window(from_ns=238_069_777, to_ns=717_451_733)
    assert some.span_ns == some.window.to_ns - some.window.from_ns
    assert [(run.first, run.last) for run in only(some).steps] == [(1, 2)]  # as they are numbered in the trace
    rest = [public("h100_owlv2_large", Narrowing(*steps)) for steps in ((0, 0), (3, 4))]
    assert sum(rank.busy_ns for rank in (some, *rest)) == whole.busy_ns
    assert sum(family.kernels for rank in (some, *rest) for family in rank.families) == sum(
        family.kernels for family in whole.families
    )


def test_a_stretch_of_time_is_cut_out_to_the_nanosecond() -> None:
    parts = [
        public("h100_owlv2_large", Narrowing(from_ns=start, to_ns=end))
        for start, end in ((None, 300 * MS), (300 * MS, 700 * MS + 1), (700 * MS + 1, None))
    ]
    for rank in parts:
        assert_adds_up(rank)
    whole = public("h100_owlv2_large")
    assert sum(rank.span_ns for rank in parts) == whole.span_ns
    assert sum(rank.busy_ns for rank in parts) == whole.busy_ns
    assert sum(rank.kernel_ns for rank in parts) == whole.kernel_ns


def test_the_first_sentence_is_of_the_cause_that_the_verdict_names() -> None:
    (phase,) = public("h100_qwen1.5_0.5b").phases
    parts = {part.part: part.ns for part in phase.parts}
    assert parts[PartName.KERNEL_ISSUE] > parts[PartName.KERNEL_TENSOR]  # and yet the matrix units would help more
    assert phase.verdict.cause is Cause.COMPUTE_TENSOR
    assert "keep the matrix units busy" in phase.verdict.evidence[0]


def test_a_stretch_within_a_step_holds_no_step() -> None:
    rank = public("h100_owlv2_large", Narrowing(from_ns=300 * MS, to_ns=400 * MS))
    assert rank.phases == []
    assert any("no whole step" in note for note in rank.notes)


@pytest.mark.parametrize(
    ("narrowing", "message"),
    [
        (Narrowing(4, 4), "it has no step 4: its steps are numbered 0 to 3"),
        (Narrowing(3, 9), "it has no steps 3 to 9: its steps are numbered 0 to 3"),
        (Narrowing(from_ns=10**11), "nothing of it lies there: it lasts 3391.39 ms"),
        (Narrowing(0, 0, from_ns=10**9), "nothing of it lies there: the steps that were asked for last from"),
        (Narrowing(from_ns=10**9, to_ns=11 * 10**8), "its GPU is idle from 1000 to 1100 ms"),
    ],
)
def test_a_part_that_is_not_there_is_named_with_what_is(narrowing: Narrowing, message: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        analyze_trace("loop.json.gz", LOOP, narrowing=narrowing)
    assert f"loop.json.gz: {message}" in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(("first", "last", "hint"), [(3, 9, "--step 3"), (2, 9, "--step 2-3"), (7, 7, "--step 0-3")])
def test_steps_that_are_not_there_are_answered_with_those_that_are(first: int, last: int, hint: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        analyze_trace("loop.json.gz", LOOP, narrowing=Narrowing(first, last))
    assert raised.value.hint == hint


def test_a_trace_of_one_step_names_it() -> None:
    with pytest.raises(UnreadableError) as raised:
        public("h100_bert_small", Narrowing(5, 5))
    assert "it has no step 5: its only step is number 0" in raised.value.message
    assert raised.value.hint == "--step 0"


def test_a_trace_without_steps_says_how_to_narrow_it_all_the_same() -> None:
    data = trace_bytes([call("cudaLaunchKernel", 0, 2, 1), kernel(5, 10, 1)])
    with pytest.raises(UnreadableError, match="no steps were found") as raised:
        analyze_trace("a.json", data, narrowing=Narrowing(0, 0))
    assert "--from" in raised.value.hint


def test_steps_are_found_where_only_the_parts_are_asked_for() -> None:
    (rank,) = analyze_trace("loop", LOOP, parts_only=True, narrowing=Narrowing(2, 2))
    assert rank.window is not None
    assert rank.span_ns == analysed(LOOP).phases[1].judged_ns
    assert rank.phases == []  # they are asked for nothing more
