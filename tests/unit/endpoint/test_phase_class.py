"""Who is believed about what holds a phase of the server back, and what a contradiction does."""

from __future__ import annotations

from msgspec.structs import replace

from profiler.attribute.verdict import refuse
from profiler.endpoint.phase_class import PhaseClass, phase_class, silent_witnesses
from profiler.report.endpoint import PhaseClassFrom
from profiler.report.vocabulary import BottleneckClass, VerdictState
from tests.unit.endpoint.test_gpu_verdict import judged

TRACE, COSTS, GPU = PhaseClassFrom.TRACE, PhaseClassFrom.COSTS, PhaseClassFrom.GPU
HOST, MEMORY = judged("decode_b1_eager"), judged("copy_stream")


def told(**verdicts: object) -> PhaseClass:
    found = phase_class("decode", {PhaseClassFrom(name): verdict for name, verdict in verdicts.items()})  # type: ignore[misc]
    assert found is not None
    return found


def test_the_engines_trace_is_believed_before_a_report_and_that_before_the_gpu() -> None:
    assert told(gpu=MEMORY, costs=MEMORY, trace=MEMORY).told_by is TRACE
    assert told(gpu=MEMORY, costs=MEMORY).told_by is COSTS
    assert told(gpu=MEMORY).told_by is GPU


def test_a_witness_without_a_class_leaves_it_to_the_next() -> None:
    found = told(trace=refuse("no GPU at work"), costs=MEMORY)
    assert (found.told_by, found.verdict.class_, found.doubt) == (COSTS, BottleneckClass.MEMORY, None)


def test_one_that_is_sure_of_another_class_makes_it_inconclusive_and_is_named() -> None:
    found = told(trace=HOST, gpu=MEMORY)
    assert (found.verdict.class_, found.verdict.state) == (BottleneckClass.SCHEDULING, VerdictState.INCONCLUSIVE)
    assert found.doubt is not None
    assert "the engine's trace and the GPU's counters contradict one another" in found.doubt
    assert "scheduling and memory" in found.doubt


def test_one_that_is_not_sure_contradicts_nobody() -> None:
    unsure = replace(MEMORY, state=VerdictState.INCONCLUSIVE)
    assert told(trace=HOST, gpu=unsure).verdict == HOST
    assert told(trace=unsure).doubt == "the engine's trace cannot tell that for sure"


def test_nobody_who_knows_is_nobody_and_those_that_were_asked_say_why() -> None:
    asked = {TRACE: refuse("the trace shows no GPU at work."), GPU: refuse("no counters")}
    assert phase_class("decode", asked) is None
    assert silent_witnesses(asked) == [
        "the engine's trace cannot tell, as the trace shows no GPU at work",
        "the GPU's counters cannot tell, as no counters",
    ]
