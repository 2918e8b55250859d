"""The phases of a trace in a table: what a step takes, what holds it back, and how it is known."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.render import table
from profiler.render.traced_phase_blocks import job_phase_blocks, traced_phase_blocks
from profiler.report.analysis import PhaseAnalysis, RankAnalysis
from profiler.report.trace_phases import FoundBy, KindFrom, PhaseKind, StepRun
from profiler.report.vocabulary import BottleneckClass
from profiler.session.analyze import analyze
from tests.unit.trace.trace_events import RECORDINGS

TRACE = Path(__file__).parents[2] / "data" / "own" / "smollm135m-graph-trace.json.gz"


@cache
def rank() -> RankAnalysis:
    return analyze(TRACE).ranks[0]


def shown(phases: list[PhaseAnalysis], width: int = 160) -> str:
    text = io.StringIO()
    blocks = traced_phase_blocks(phases, rank().span_ns)
    table.render_blocks(blocks, Console(file=text, width=width, color_system=None))
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 160])
def test_each_phase_has_its_verdict_within_the_width(width: int) -> None:
    text = shown(rank().phases, width)
    assert max(len(line) for line in text.splitlines()) <= width
    for line, name in zip(text.splitlines()[3:5], ("prefill", "decode"), strict=True):
        assert line.startswith(name)
        assert "scheduling: the host" in line
        assert line.rstrip().endswith("clear")


@pytest.mark.parametrize(
    ("found_by", "kind_from", "words"),
    [
        (FoundBy.ENGINE, KindFrom.ANNOTATION, "marked by the engine. Of step 2"),
        (FoundBy.ANNOTATION, KindFrom.SHAPES, "marked by ranges; the queries of its attention say which"),
        (FoundBy.KERNEL_PATTERN, KindFrom.ORDER, "what the device repeats; only their order says which"),
        (FoundBy.KERNEL_PATTERN, None, "what the device repeats; prefill or decode is not known"),
    ],
)
def test_how_a_phase_was_found_is_said(found_by: FoundBy, kind_from: KindFrom | None, words: str) -> None:
    phase = replace(rank().phases[1], found_by=found_by, kind_from=kind_from, kind=PhaseKind.DECODE)
    assert words in " ".join(shown([phase]).split())


def test_many_runs_of_steps_are_counted_and_not_listed() -> None:
    runs = [StepRun(first=10 * number, last=10 * number + 5) for number in range(40)]
    text = " ".join(shown([replace(rank().phases[0], steps=runs)]).split())
    assert "steps 0 to 5, 10 to 15, 20 to 25 and 37 more runs" in text


def test_no_phases_are_no_heading() -> None:
    assert traced_phase_blocks([], 1) == []


def test_a_phase_of_several_ranks_says_how_far_they_differ_and_what_holds_how_many_back() -> None:
    decode = rank().phases[1]
    slow = replace(
        decode,
        step_ns=replace(decode.step_ns, median_ns=9_000_000),
        verdict=replace(decode.verdict, class_=BottleneckClass.COMPUTE),
    )
    ranks = [replace(rank(), phases=[phase]) for phase in (slow, decode, decode)]
    text = io.StringIO()
    table.render_blocks(job_phase_blocks(ranks), Console(file=text, width=120, color_system=None))
    words = " ".join(text.getvalue().split())
    assert "decode 3 5.35 ms 5.35–9.00 ms 36% scheduling (2), compute (1)" in words


def test_ranks_without_phases_have_no_table_of_them() -> None:
    assert job_phase_blocks([replace(rank(), phases=[])]) == []


def test_a_phase_that_hinges_on_the_tracer_says_so() -> None:
    (hinging,) = analyze(RECORDINGS / "decode_b64_graph_body.json.gz").ranks
    text = " ".join(shown(hinging.phases).split())
    assert "Held back so as traced; how much of that the tracer did cannot be told" in text


def test_steps_that_are_unlike_and_one_that_nothing_follows_are_said() -> None:
    phase = rank().phases[0]
    told = " ".join(shown([replace(phase, count=5, sorts=3, step_ns=replace(phase.step_ns, steps=4))]).split())
    assert "They are unlike: 3 sorts by what runs in them." in told
    assert "1 of the 5 steps is not followed at once: it lacks the wait for a next one, and the time of a step" in told
    two = " ".join(shown([replace(phase, count=6, step_ns=replace(phase.step_ns, steps=4))]).split())
    assert "2 of the 6 steps are not followed at once: they lack the wait for a next one" in two
    plain = shown([replace(phase, count=4, step_ns=replace(phase.step_ns, steps=4))])
    assert "unlike" not in plain
    assert "followed" not in plain
