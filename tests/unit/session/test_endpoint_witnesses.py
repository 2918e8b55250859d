"""What the report of the model says of a live server, as far as it carries."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from profiler.endpoint.baseline import Unloaded
from profiler.endpoint.exchange import Exchange
from profiler.report.endpoint import EndpointPartName, PhaseClassFrom
from profiler.report.records import Verdict
from profiler.report.store import load_report
from profiler.report.vocabulary import BottleneckClass, VerdictState
from profiler.session.endpoint_record import Driven
from profiler.session.endpoint_witnesses import witnesses_of

MS = 1_000_000
# `profile llama-3.1-8b --mode graph --sweep` on an H100: a step took 9.41 ms.
COSTS = Path(__file__).parents[2] / "data/sweep/llama-3.1-8b_graph_h100.json.gz"


def said_of_decode(tpot_ms: float) -> Verdict:
    times = [round((30 + place * tpot_ms) * MS) for place in range(11)]
    well = [Exchange(0, 512, 11, due_ns=0, began_ns=0, token_ns=times, last_ns=times[-1])]
    plan = SimpleNamespace(costs=load_report(COSTS))
    driven = SimpleNamespace(trace=None, plan=plan, unloaded=Unloaded(0, 30.0 * MS, 0.0))
    found = witnesses_of(cast(Driven, driven), well, None, EndpointPartName.DECODE)
    return found["decode"][PhaseClassFrom.COSTS]


@pytest.mark.parametrize(("tpot_ms", "state"), [(9.8, VerdictState.CLEAR), (76.4, VerdictState.INCONCLUSIVE)])
def test_the_report_of_the_model_carries_to_a_server_whose_tokens_take_as_long(
    tpot_ms: float, state: VerdictState
) -> None:
    found = said_of_decode(tpot_ms)
    assert (found.class_, found.state) == (BottleneckClass.MEMORY, state)
    assert found.evidence[0].startswith("the report judged") is (state is VerdictState.INCONCLUSIVE)
