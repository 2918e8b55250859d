"""How far a report's verdict of a phase holds where it takes another time."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from profiler.report.records import Verdict
from profiler.report.store import load_report
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState
from profiler.serving.generated import Lengths, generated_requests
from profiler.serving.profiled_phase import ProfiledPhase, profiled_phases
from profiler.session.simulate import report_basis, simulate

# `profile llama-3.1-8b --mode graph --sweep` on an H100.
SWEPT = Path(__file__).parents[2] / "data/sweep/llama-3.1-8b_graph_h100.json.gz"
# Of a captured decode step of Llama-3.1-8B on an H100.
VERDICT = Verdict(
    class_=BottleneckClass.MEMORY,
    cause=Cause.MEMORY_WEIGHTS,
    share=0.56,
    low=0.51,
    high=0.59,
    runner_up=BottleneckClass.SCHEDULING,
    runner_up_share=0.38,
    state=VerdictState.CLEAR,
    throttled=False,
    confidence=1.0,
    evidence=["reading 15 GB of weights takes 4.92 of 9.41 ms"],
)
DECODE = ProfiledPhase(VERDICT, 9.41, "batch 1, 1,024 prompt tokens")


@pytest.mark.parametrize("ms", [9.41, 9.9, 8.0, 11.0])  # the lead is worth 1.69 ms
def test_a_verdict_holds_while_the_lead_is_worth_more_than_the_difference(ms: float) -> None:
    assert DECODE.served(ms) == VERDICT


@pytest.mark.parametrize("ms", [47.0, 11.2, 7.6])
def test_beyond_it_what_the_difference_is_made_of_may_lead(ms: float) -> None:
    found = DECODE.served(ms, "with --batch-size 11")
    assert (found.class_, found.runner_up, found.state) == (BottleneckClass.MEMORY, None, VerdictState.INCONCLUSIVE)
    assert found.evidence[0].startswith("the report judged an iteration of 9.41 ms (batch 1, 1,024 prompt tokens)")
    assert found.evidence[0].endswith("profile with --batch-size 11")
    assert found.evidence[1:] == VERDICT.evidence


def test_a_verdict_that_is_not_clear_stays_as_it_is() -> None:
    doubtful = replace(VERDICT, state=VerdictState.INCONCLUSIVE)
    assert ProfiledPhase(doubtful, 9.41, "").served(47.0) == doubtful


def test_each_phase_of_a_report_comes_with_its_time_and_size() -> None:
    found = profiled_phases(load_report(SWEPT))["decode"]
    assert found.verdict.cause is Cause.MEMORY_WEIGHTS
    assert found.size == "batch 1, 512 prompt tokens"
    assert found.ms == pytest.approx(9.41, abs=0.01)


def test_what_reading_weights_is_to_one_sequence_it_need_not_be_to_a_batch() -> None:
    log = generated_requests(3.2, 200, Lengths("constant", 900), Lengths("constant", 235), burstiness=1, seed=1)
    answer = simulate(log, report_basis(SWEPT), name="", policies=["continuous"])
    (found,) = answer.policies
    decode = next(part for part in found.parts if part.part == "decode")
    assert found.verdict.state is VerdictState.INCONCLUSIVE
    assert any("profile with --batch-size" in why for why in found.verdict.evidence)
    assert decode.class_ is None
