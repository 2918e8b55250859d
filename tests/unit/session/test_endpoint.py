"""A run that is interrupted, against a server on loopback: what it had by then is its answer."""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from profiler.errors import InterruptedByUser
from profiler.progress import SilentProgress
from profiler.report.endpoint import Endpoint
from profiler.session import endpoint
from profiler.session.endpoint import Plan, drive_endpoint
from tests.fake_endpoint import FakeServer, begin_stream, vllm_metrics
from tests.unit.endpoint.stand_ins import log

BASELINE = 2
BEFORE_THE_LOAD = 3 + BASELINE  # what it takes, how it counts tokens, the idle server
ENDED = 10


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Ctrl-C is Python's own, whatever runs these tests."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


class Interrupting(SilentProgress):
    """Interrupts the run when so many requests of the load ended, and calls `then` before that."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self._then, self._left = then, BASELINE + ENDED

    def advance(self, steps: int = 1) -> None:
        self._left -= steps
        if not self._left:
            self._then()
            signal.raise_signal(signal.SIGINT)


def interrupted(server: FakeServer, progress: SilentProgress, **plan: Any) -> Endpoint:
    usual = {"concurrency": 2, "baseline": BASELINE} | plan
    with pytest.raises(InterruptedByUser) as raised:
        drive_endpoint(Plan(server.url, log(*range(200)), "log", **usual), progress)
    partial = raised.value.partial
    assert isinstance(partial, Endpoint)
    assert not partial.complete
    return partial


def test_an_interrupted_load_has_the_servers_own_sums() -> None:
    with FakeServer(metrics=vllm_metrics).running() as server:
        partial = interrupted(server, Interrupting())
    assert (partial.target.engine, partial.split) == ("vllm", "server")
    assert partial.server is not None
    assert partial.server.requests >= ENDED


def test_a_load_interrupted_while_the_servers_sums_settle_has_them_all_the_same() -> None:
    """A server that counts nothing more is waited for, and meanwhile somebody loses patience."""
    looks: list[int] = []

    def behind(server: FakeServer) -> str:
        if len(server.queue_s) == BEFORE_THE_LOAD + ENDED:
            looks.append(1)
            if len(looks) == 3:
                _thread.interrupt_main()
        kept = [line for line in vllm_metrics(server).splitlines() if "e2e_request_latency" not in line]
        return "\n".join(kept) + "\n"

    with FakeServer(metrics=behind).running() as server, pytest.raises(InterruptedByUser) as raised:
        drive_endpoint(Plan(server.url, log(*[0] * ENDED), "log", concurrency=2, baseline=BASELINE))
    assert isinstance(raised.value.partial, Endpoint)
    assert raised.value.partial.split == "server"


def test_a_server_that_no_longer_tells_its_metrics_is_not_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_LAST_LOOK_S", 0.05)
    hangs, over = threading.Event(), threading.Event()

    def hanging(server: FakeServer) -> str:
        if hangs.is_set():
            over.wait(10)
        return vllm_metrics(server)

    with FakeServer(metrics=hanging).running() as server:
        partial = interrupted(server, Interrupting(hangs.set))
        over.set()
    assert partial.server is None
    for source in (partial.sources["server"], partial.target.sources["engine"]):
        assert source.missing == "/metrics could not be read when the load began, or when it ended"


def test_metrics_that_are_refused_at_the_end_are_not_taken_for_zeros() -> None:
    def refusing(server: FakeServer) -> str:
        if len(server.queue_s) > BEFORE_THE_LOAD:
            raise web.HTTPServiceUnavailable
        return vllm_metrics(server)

    with FakeServer(metrics=refusing).running() as server:
        answer = drive_endpoint(Plan(server.url, log(0, 0, 0), "log", concurrency=1, baseline=BASELINE))
    assert (answer.server, answer.split) == (None, "inferred")


def test_a_knee_interrupted_before_a_request_of_its_next_rate_ended_keeps_the_rates_before() -> None:
    async def interrupts(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = await begin_stream(request)
        _thread.interrupt_main()
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0)
        return response

    first_rate = BEFORE_THE_LOAD + 20
    with FakeServer(reply=lambda number: interrupts if number == first_rate else None).running() as server:
        partial = interrupted(server, SilentProgress(), concurrency=None, knee=True, step_s=0.01)
    assert partial.knee is not None
    assert [step.requests for step in partial.knee.steps] == [20]
    assert partial.load.rate_per_s is not None
    assert partial.load.rate_per_s != partial.knee.steps[0].rate_per_s  # what is told of the load is of the next one
