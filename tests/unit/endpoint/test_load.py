"""When requests leave, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from profiler.endpoint.exchange import Exchange
from profiler.endpoint.load import Driver, Send, Sent
from profiler.report.endpoint import Ending
from tests.unit.endpoint.stand_ins import MS, log
from tests.virtual_time import now_ns, run_virtually


class Server:
    """Takes so long for each request, and remembers how many it had at once."""

    def __init__(self, takes_s: float, ending: Ending = Ending.OK) -> None:
        self.takes_s, self.ending, self.running, self.most = takes_s, ending, 0, 0

    async def send(self, exchange: Exchange) -> None:
        exchange.began_ns = now_ns()
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(self.takes_s)
        self.running -= 1
        exchange.ending, exchange.detail = self.ending, "no"


def opened(send: Send, *arrivals_ms: int, most_at_once: int | None = None) -> Sent:
    sent = Sent()
    run_virtually(Driver(send, now_ns).open_loop(log(*arrivals_ms), sent, most_at_once))
    return sent


def test_an_open_loop_sends_at_the_arrivals_whatever_the_server_does() -> None:
    server = Server(takes_s=5.0)
    sent = opened(server.send, 0, 100, 250)
    assert [each.began_ns for each in sent.exchanges] == [0, 100 * MS, 250 * MS]
    assert server.most == 3
    assert sent.end_ns == 5250 * MS


def test_with_a_limit_requests_wait_in_the_client_and_that_shows() -> None:
    server = Server(takes_s=1.0)
    sent = opened(server.send, 0, 100, 200, most_at_once=1)
    assert server.most == 1
    assert [(each.began_ns - each.due_ns) // MS for each in sent.exchanges] == [0, 900, 1800]


@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_a_closed_loop_keeps_so_many_running_and_none_waits(at_once: int) -> None:
    server, sent = Server(takes_s=1.0), Sent()
    run_virtually(Driver(server.send, now_ns).closed_loop(log(*[0] * 12), sent, at_once))
    assert server.most == min(at_once, 12)
    assert sent.end_ns == -(-12 // at_once) * 1000 * MS
    assert all(each.began_ns == each.due_ns for each in sent.exchanges)
    assert sorted(each.request for each in sent.exchanges) == list(range(12))


def test_a_server_that_only_fails_is_left_alone_after_a_hundred() -> None:
    sent = opened(Server(0.001, Ending.SERVER_ERROR).send, *range(0, 5000, 10))
    assert "in a row failed" in sent.stopped
    assert 100 <= len(sent.exchanges) < 110
    assert sent.started == len(sent.exchanges)  # the one that was due next was not sent


def test_a_server_that_throttles_is_asked_to_the_end() -> None:
    sent = opened(Server(0.001, Ending.THROTTLED).send, *range(0, 3000, 10))
    assert not sent.stopped
    assert len(sent.exchanges) == 300


@pytest.mark.parametrize("at_once", [None, 2])
def test_a_load_of_which_a_request_breaks_ends_instead_of_leaving_it_out(at_once: int | None) -> None:
    async def send(exchange: Exchange) -> None:
        await asyncio.sleep(exchange.request)
        if exchange.request == 1:
            raise LookupError("broken")

    async def broken() -> float:
        driver, sent = Driver(send, now_ns), Sent()
        requests = log(0, 0, 0, 10_000, 20_000)
        load = driver.open_loop(requests, sent) if at_once is None else driver.closed_loop(requests, sent, at_once)
        with pytest.raises(LookupError, match="broken"):
            await load
        assert len(asyncio.all_tasks()) == 1
        return asyncio.get_running_loop().time()

    assert run_virtually(broken()) <= 10.0


def test_what_ended_before_an_interrupt_is_kept_and_the_rest_is_called_off() -> None:
    server, sent = Server(takes_s=1.0), Sent()

    async def interrupted() -> None:
        task = asyncio.create_task(Driver(server.send, now_ns).open_loop(log(0, 100, 900, 5000), sent))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    run_virtually(interrupted())
    assert [each.request for each in sent.exchanges] == [0, 1]
    assert sent.started == 3


def test_what_waits_in_the_client_when_it_is_interrupted_was_not_sent() -> None:
    sent = Sent()

    async def interrupted() -> None:
        task = asyncio.create_task(Driver(Server(takes_s=1.0).send, now_ns).open_loop(log(0, 0, 0, 0), sent, 2))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(interrupted())
    assert sent.started == 2


def test_a_load_that_is_repeated_ends_whenever_it_is_cancelled() -> None:
    """Also between its last request and its end, where it once went on for ever."""

    async def send(exchange: Exchange) -> None:
        await asyncio.sleep(0)

    async def repeated() -> None:
        while True:
            await Driver(send, lambda: 0).closed_loop(log(0, 0), Sent(), 2)

    async def cancelled_after(turns: int) -> bool:
        task = asyncio.create_task(repeated())
        for turn in range(turns + 50):
            if turn == turns:
                task.cancel()
            await asyncio.sleep(0)
        return task.cancelled()

    async def at_each_turn() -> list[bool]:
        return [await cancelled_after(turns) for turns in range(30)]

    assert all(asyncio.run(at_each_turn()))
