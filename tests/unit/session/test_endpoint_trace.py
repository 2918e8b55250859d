"""A stretch under the engine's profiler: it is stopped whatever happens, and its trace tells of each phase."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from profiler.endpoint.address import Address
from profiler.endpoint.client import Client
from profiler.endpoint.engine_profiler import EngineProfiler
from profiler.errors import InterruptedByUser
from profiler.report.engine_trace import EnginePhase, EngineTrace
from profiler.report.records import Verdict
from profiler.report.trace_phases import PhaseKind
from profiler.report.vocabulary import BottleneckClass, VerdictState
from profiler.session.endpoint_trace import TraceStretch, engine_trace, trace_verdicts, traced_stretch
from tests.unit.endpoint.test_gpu_verdict import judged
from tests.virtual_time import now_ns, run_virtually

DATA = Path(__file__).parents[2] / "data"
LOOP = DATA / "own" / "smollm135m-eager-trace.json.gz"
HOST, MEMORY = judged("decode_b1_eager"), judged("copy_stream")


class WritingProfiler(EngineProfiler):
    """Writes a trace at its stop; `says` is what is wrong with its start."""

    def __init__(self, folder: Path, says: str | None = None) -> None:
        super().__init__(Client(Address.parsed("http://localhost:1")), folder)
        self._into, self._says = folder, says
        self.calls: list[tuple[str, float]] = []

    async def start(self) -> str | None:
        self.calls.append(("start", now_ns() / 1e9))
        return self._says

    async def stop(self) -> str | None:
        self.calls.append(("stop", now_ns() / 1e9))
        (self._into / "rank0.pt.trace.json").write_text(json.dumps({"traceEvents": []}))
        return None


async def load() -> None:
    await asyncio.sleep(0.7)


def traced(folder: Path, request_s: float, says: str | None = None) -> tuple[TraceStretch, WritingProfiler]:
    stretch, profiler = TraceStretch(folder), WritingProfiler(folder, says)
    run_virtually(traced_stretch(stretch, profiler, load, request_s, now_ns))
    return stretch, profiler


@pytest.mark.parametrize(("request_s", "lasts_s"), [(0.01, 0.5), (1.25, 1.25), (60.0, 2.0)])
def test_it_lasts_as_long_as_a_request_but_neither_too_short_nor_too_long(
    tmp_path: Path, request_s: float, lasts_s: float
) -> None:
    stretch, profiler = traced(tmp_path, request_s)
    assert stretch.seconds == pytest.approx(lasts_s)
    assert [name for name, _ in profiler.calls] == ["start", "stop"]
    assert [path.name for path in stretch.files] == ["rank0.pt.trace.json"]


def test_it_begins_when_the_server_is_busy_again(tmp_path: Path) -> None:
    _, profiler = traced(tmp_path, 1.25)
    assert profiler.calls[0] == ("start", pytest.approx(1.25))


def test_a_start_that_fails_says_why_and_nothing_is_waited_for(tmp_path: Path) -> None:
    stretch, _ = traced(tmp_path, 1.0, says="HTTP 500")
    assert (stretch.missing, stretch.files, stretch.seconds) == ("HTTP 500", [], None)


def test_an_interrupt_stops_the_profiler(tmp_path: Path) -> None:
    profiler = WritingProfiler(tmp_path)

    async def interrupted() -> None:
        work = asyncio.create_task(traced_stretch(TraceStretch(tmp_path), profiler, load, 2.0, now_ns))
        await asyncio.sleep(3.0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    run_virtually(interrupted())
    assert [name for name, _ in profiler.calls] == ["start", "stop"]
    assert profiler.calls[1][1] == pytest.approx(3.0)


def test_no_load_is_put_on_a_server_that_writes_its_trace(tmp_path: Path) -> None:
    class SlowProfiler(WritingProfiler):
        async def stop(self) -> str | None:
            await asyncio.sleep(300.0)
            return await super().stop()

    begun_s: list[float] = []

    async def counted() -> None:
        begun_s.append(now_ns() / 1e9)
        await load()

    run_virtually(traced_stretch(TraceStretch(tmp_path), SlowProfiler(tmp_path), counted, 1.0, now_ns))
    assert max(begun_s) < 2.0  # a request's time until the profiler starts, and one under it


def test_a_load_that_breaks_stops_the_profiler_all_the_same(tmp_path: Path) -> None:
    async def breaks() -> None:
        await asyncio.sleep(0.1)
        raise RuntimeError("broken")

    profiler = WritingProfiler(tmp_path)
    with pytest.raises(RuntimeError, match="broken"):
        run_virtually(traced_stretch(TraceStretch(tmp_path), profiler, breaks, 1.0, now_ns))
    assert profiler.calls[-1][0] == "stop"


def test_the_trace_of_a_frontend_beside_that_of_the_gpu_does_not_count() -> None:
    cpu = DATA / "cpu" / "llama_decode.json.gz"
    trace = engine_trace(TraceStretch(LOOP.parent, seconds=1.0, files=[cpu, LOOP]))
    assert {phase.rank for phase in trace.phases} == {LOOP.name}
    assert trace.verdict is not None
    assert trace.verdict.class_ is BottleneckClass.SCHEDULING
    verdicts = trace_verdicts(trace)
    assert {name: verdict.class_ for name, verdict in verdicts.items()} == {
        "prefill": BottleneckClass.SCHEDULING,
        "decode": BottleneckClass.SCHEDULING,
    }


def test_an_interrupt_while_it_is_analysed_is_not_taken_for_a_trace_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*traces: Path, **options: object) -> None:
        raise InterruptedByUser

    monkeypatch.setattr("profiler.session.analyze.analyze", interrupted)
    with pytest.raises(InterruptedByUser):
        engine_trace(TraceStretch(LOOP.parent, seconds=1.0, files=[LOOP]))


def phase(kind: PhaseKind, verdict: Verdict, steps: int = 10) -> EnginePhase:
    return EnginePhase(
        rank="r", name=kind.value, kind=kind, steps=steps, step_ms=2.0, idle_ratio=0.1, verdict=verdict, doubt=None
    )


def of(*phases: EnginePhase, whole: Verdict = HOST) -> dict[str, Verdict]:
    trace = EngineTrace(folder="f", files=["r"], seconds=1.0, phases=list(phases), verdict=whole)
    return dict(trace_verdicts(trace))


def test_of_several_decodes_the_one_that_took_longest_counts() -> None:
    found = of(phase(PhaseKind.DECODE, HOST, steps=3), phase(PhaseKind.DECODE, MEMORY, steps=30))
    assert found == {"decode": MEMORY}


def test_steps_of_both_kinds_stand_for_each_where_there_are_no_others_and_not_for_sure() -> None:
    found = of(phase(PhaseKind.MIXED, MEMORY), phase(PhaseKind.PREFILL, HOST))
    assert found["prefill"] == HOST
    assert (found["decode"].class_, found["decode"].state) == (BottleneckClass.MEMORY, VerdictState.INCONCLUSIVE)
    assert "prefill and decode at once" in found["decode"].evidence[0]


def test_a_trace_that_tells_no_phases_stands_for_both_and_not_for_sure() -> None:
    found = of(phase(PhaseKind.UNKNOWN, MEMORY), whole=MEMORY)
    assert {verdict.state for verdict in found.values()} == {VerdictState.INCONCLUSIVE}
    assert "does not tell decode" in found["decode"].evidence[0]


def test_a_trace_of_decode_alone_says_nothing_of_prefill() -> None:
    assert of(phase(PhaseKind.DECODE, MEMORY)).keys() == {"decode"}
