"""Two loads on `transformers serve` with Llama-3.2-1B on an H100, and `profile` of the same checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.report.endpoint import Endpoint, PhaseClassFrom
from profiler.report.kinds import load_result
from profiler.report.store import load_report
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState

SERVED = Path(__file__).parents[2] / "data/served"


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_server_is_held_back_by_what_holds_its_model_back(at_once: int) -> None:
    answer = load_result(SERVED / f"endpoint_{at_once}_h100.json.gz")
    assert isinstance(answer, Endpoint)
    model = {phase.name: phase.verdict for phase in load_report(SERVED / f"profile_{at_once}_h100.json.gz").phases}
    assert answer.leader == "decode"
    assert answer.phase_class_from is PhaseClassFrom.TRACE
    for verdict in (answer.verdict, model["decode"]):
        assert (verdict.class_, verdict.cause) == (BottleneckClass.SCHEDULING, Cause.SCHEDULING_HOST)
        assert verdict.state is VerdictState.CLEAR
    assert [gpu.verdict.class_ for gpu in answer.gpus] == [BottleneckClass.SCHEDULING]  # a second witness
