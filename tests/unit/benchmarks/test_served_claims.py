"""What `benchmarks.served` claims, held against answers that keep it and that do not."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from benchmarks import served
from profiler.report.endpoint import Ending, EndingCount, Endpoint, EndpointPartName
from profiler.report.engine_trace import EngineTrace
from profiler.report.records import Verdict
from profiler.report.store import load_report
from profiler.report.trace_phases import PhaseKind
from profiler.report.vocabulary import BottleneckClass
from tests.unit.endpoint.test_gpu_verdict import judged
from tests.unit.session.test_endpoint_trace import phase

DATA = Path(__file__).parents[2] / "data"
MODEL = load_report(DATA / "own" / "smollm135m-eager.json.gz")
HOST, MEMORY = judged("decode_b1_eager"), judged("copy_stream")
TRACE = EngineTrace(folder="f", files=["t.json"], seconds=1.0, phases=[phase(PhaseKind.DECODE, HOST)], verdict=HOST)


def live(verdict: Verdict, *, failed: int = 0, trace: EngineTrace | None = TRACE) -> Endpoint:
    """Of a server whose decode leads."""
    text = gzip.decompress((DATA / "results" / "endpoint.json.gz").read_bytes())
    endings = [EndingCount(ending=Ending.OK, count=8, first="")]
    endings += [EndingCount(ending=Ending.CUT, count=failed, first="cut")] if failed else []
    recorded = msgspec.json.decode(text, type=Endpoint)
    return replace(recorded, endings=endings, verdict=verdict, leader=EndpointPartName.DECODE, trace=trace)


def holds(answer: Endpoint, *, claimed: bool = True) -> list[bool | None]:
    return [row.holds for row in served.rows_of(8, answer, MODEL, claimed=claimed)]


def test_a_server_that_is_held_back_by_what_holds_its_model_back_keeps_every_claim() -> None:
    decode = next(each for each in MODEL.phases if each.name == "decode")
    assert decode.verdict.class_ is BottleneckClass.SCHEDULING
    assert holds(live(HOST)) == [True, True, True, True]


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (live(MEMORY), [True, True, True, False]),
        (live(HOST, failed=1), [False, True, True, True]),
        (live(HOST, trace=None), [True, False, False, True]),
        (live(HOST, trace=replace(TRACE, phases=[])), [True, True, False, True]),
    ],
)
def test_what_is_not_so_is_told(answer: Endpoint, kept: list[bool]) -> None:
    assert holds(answer) == kept


def test_without_a_gpu_nothing_is_claimed_of_classes() -> None:
    assert holds(live(HOST), claimed=False) == [True, True, None]
