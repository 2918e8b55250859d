"""What becomes of a request, against a server on loopback that does as it is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from aiohttp import web

from profiler.endpoint import client as clients
from profiler.endpoint.address import Address
from profiler.endpoint.client import Client, TooLongError
from profiler.endpoint.exchange import Exchange
from profiler.report.endpoint import Ending
from tests.fake_endpoint import FakeServer, Reply, begin_stream, cut, endless, raw, status
from tests.virtual_time import VirtualLoop

T = TypeVar("T")
KEY = "sk-Very-Secret-0123456789-of-40-characters"
WHOLE = b'data: {"choices":[{"text":"a","finish_reason":null}]}\n\n'


def asked(url: str, *, api: str = "completions", most_tokens: int = 3, **options: Any) -> Exchange:
    async def ask() -> Exchange:
        async with Client(Address.parsed(url), api=api, model="fake", **options) as client:
            now = client.now_ns()
            exchange = Exchange(0, 2, most_tokens, now, now)
            await client.stream(exchange, "a prompt")
            return exchange

    return asyncio.run(ask())


async def two(url: str) -> list[Exchange]:
    """One after the other, on the same connection if the server keeps it."""
    async with Client(Address.parsed(url), model="fake") as client:
        found = [Exchange(number, 2, 3, client.now_ns(), 0) for number in range(2)]
        for exchange in found:
            await client.stream(exchange, "a prompt")
        return found


def answered(reply: Reply | None = None, **server: Any) -> Exchange:
    with FakeServer(reply=lambda number: reply, **server).running() as running:
        return asked(running.url, most_tokens=2)


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_tokens_are_counted_and_times_are_in_order(api: str) -> None:
    with FakeServer().running() as server:
        found = asked(server.url, api=api)
        body = server.bodies[0]
    assert found.ok
    assert (found.status, len(found.token_ns), found.output_tokens, found.input_tokens) == (200, 3, 3, 9)
    assert found.began_ns <= found.token_ns[0] <= found.token_ns[-1] <= found.last_ns <= found.ended_ns
    assert found.connect_ns > 0
    assert (body["max_tokens"], body["stream"], body["ignore_eos"]) == (3, True, True)
    assert ("messages" in body) == (api == "chat")


def test_without_usage_the_chunks_are_the_tokens() -> None:
    found = answered(usage=False)
    assert found.said_output_tokens is None
    assert found.output_tokens == 2


@pytest.mark.parametrize(
    ("reply", "ending", "told"),
    [
        (status(401), Ending.UNAUTHORISED, "HTTP 401"),
        (status(404), Ending.NOT_FOUND, "HTTP 404"),
        (status(429, "slow down"), Ending.THROTTLED, "slow down"),
        (status(400, "too long"), Ending.REJECTED, "too long"),
        (status(503), Ending.SERVER_ERROR, "HTTP 503"),
        (cut(after=0), Ending.CUT, ""),
        (cut(after=1), Ending.CUT, ""),
        (raw(WHOLE), Ending.CUT, "after 1 tokens without its end"),
        (raw(b"data: {broken\n\n"), Ending.MALFORMED, "no JSON"),
        (raw(b"<html>\n"), Ending.MALFORMED, "no event"),
        (raw(b"{}", content_type="application/json"), Ending.MALFORMED, "application/json"),
        (raw(b"data: [DONE]\n\n"), Ending.EMPTY, "no token"),
        (raw(WHOLE, b'data: {"error":{"message":"CUDA out of memory"}}\n\n'), Ending.SERVER_ERROR, "out of memory"),
        (endless(), Ending.OVERRUN, "and more"),
    ],
)
def test_whatever_goes_wrong_is_an_ending_with_what_was_said(reply: Reply, ending: Ending, told: str) -> None:
    found = answered(reply)
    assert found.ending is ending
    assert told in found.detail
    assert found.ended_ns >= found.began_ns


def test_a_few_tokens_too_many_still_end_well() -> None:
    found = answered(extra_tokens=3)
    assert found.ok
    assert found.output_tokens == 5


def test_nobody_at_home_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = asked(f"http://127.0.0.1:{port}")
    assert found.ending is Ending.UNREACHABLE
    assert f"{port}" in found.detail
    assert "ssl" not in found.detail


def test_tls_on_a_server_without_it_is_a_tls_failure() -> None:
    with FakeServer().running() as server:
        assert asked(server.url.replace("http:", "https:")).ending is Ending.TLS


def test_a_server_that_never_answers_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = asked(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05)
    assert found.ending is Ending.TIMEOUT


def test_the_key_goes_to_the_server_and_nowhere_else() -> None:
    with FakeServer(key="sk-secret").running() as server:
        assert asked(server.url, key="sk-secret").ok
        assert asked(server.url).ending is Ending.UNAUTHORISED
    told = FakeServer(reply=lambda number: status(500, "your key sk-secret is odd"))
    with told.running() as server:
        found = asked(server.url, key="sk-secret")
    assert "sk-secret" not in found.detail
    assert "your key *** is odd" in found.detail


@pytest.mark.parametrize(
    "reply",
    [
        status(500, "x" * 170 + KEY),
        raw(b'data: {"error": "' + b"x" * 170 + KEY.encode() + b'"}\n\n'),
        raw(b"x" * 45 + KEY.encode() + b"\n"),
        raw(b"{}", content_type=f"text/{KEY}"),
    ],
)
def test_no_part_of_the_key_is_left_where_a_text_is_cut(reply: Reply) -> None:
    with FakeServer(reply=lambda number: reply).running() as server:
        found = asked(server.url, key=KEY)
    assert not found.ok
    assert KEY[:6].lower() not in found.detail.lower()


def test_of_a_long_refusal_the_beginning_is_read_without_the_part_of_a_key_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        await response.write(b"no memory" + b" " * 80 + KEY.encode())
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b" " * 65_536)
            await asyncio.sleep(0)
        return response

    monkeypatch.setattr(clients, "_MOST_OF_A_REFUSAL", 100)
    with FakeServer(reply=lambda number: refuse).running() as server:
        found = asked(server.url, key=KEY, timeout_s=20.0)
    assert (found.ending, found.detail) == (Ending.SERVER_ERROR, "HTTP 500 no memory")


@pytest.mark.parametrize("charset", ["hex", "utf-7", "no-such"])
def test_what_charset_a_refusal_claims_does_not_matter(charset: str) -> None:
    async def refuse(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.Response:
        return web.Response(status=503, body=b"busy \xff", headers={"Content-Type": f"text/plain; charset={charset}"})

    found = answered(refuse)
    assert (found.ending, found.detail) == (Ending.SERVER_ERROR, "HTTP 503 busy \N{REPLACEMENT CHARACTER}")


def test_an_answer_that_nobody_foresaw_is_an_ending_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        raise LookupError(f"of {KEY}")

    monkeypatch.setattr(clients, "chunk", broken)
    with FakeServer().running() as server:
        found = asked(server.url, key=KEY)
    assert (found.ending, found.detail) == (Ending.MALFORMED, "LookupError: of ***")
    assert found.ended_ns >= found.began_ns


def test_a_redirect_to_nowhere_on_a_kept_connection_is_not_followed_for_ever() -> None:
    async def elsewhere(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.Response:
        return web.Response(status=302 if len(server.bodies) < 9 else 500, headers={"Location": "ftp://nowhere/"})

    with FakeServer(reply=lambda number: elsewhere if number else None).running() as server:
        found = asyncio.run(two(server.url))
        assert len(server.bodies) == 2
    assert [each.ending for each in found] == [Ending.OK, Ending.MALFORMED]


class Silence(VirtualLoop):
    """A network that drops every packet to begin a connection."""

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        await self.create_future()


def in_silence(work: Callable[[Client], Coroutine[Any, Any, T]], timeout_s: float) -> tuple[T, float]:
    """What it came to, and the virtual seconds that it took."""

    async def timed() -> tuple[T, float]:
        async with Client(Address.parsed("http://127.0.0.1:9"), model="fake", timeout_s=timeout_s) as client:
            return await work(client), asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=Silence) as runner:
        return runner.run(timed())


@pytest.mark.parametrize(("timeout_s", "lasts_s"), [(1.0, 1.0), (600.0, 30.0)])
def test_the_first_connection_is_not_waited_for_longer_than_the_timeout_or_30_s(
    timeout_s: float, lasts_s: float
) -> None:
    async def connect(client: Client) -> str:
        with pytest.raises(OSError) as raised:
            await client.round_trip_ns()
        return str(raised.value)

    told, seconds = in_silence(connect, timeout_s)
    assert told == f"no connection within {lasts_s:g} s"
    assert seconds == pytest.approx(lasts_s, abs=1.0)


@pytest.mark.parametrize(
    ("timeout_s", "ending", "told"),
    [(600.0, Ending.UNREACHABLE, "no connection within 30 s"), (5.0, Ending.TIMEOUT, "no end after 5 s")],
)
def test_a_connection_that_does_not_come_about_is_told_with_the_time_that_it_was_given(
    timeout_s: float, ending: Ending, told: str
) -> None:
    async def send(client: Client) -> Exchange:
        exchange = Exchange(0, 2, 3, 0, 0)
        await client.stream(exchange, "a prompt")
        return exchange

    found, _ = in_silence(send, timeout_s)
    assert (found.ending, found.detail) == (ending, told)


def small_answer(server: FakeServer, path: str = "/metrics") -> tuple[int, str, str | None]:
    async def ask() -> tuple[int, str, str | None]:
        async with Client(Address.parsed(server.url), key=KEY, timeout_s=20.0) as client:
            return await client.text(path)

    with server.running():
        return asyncio.run(ask())


def test_a_small_answer_is_utf_8_and_has_no_key_in_it() -> None:
    class Odd(FakeServer):
        async def told(self, request: web.Request) -> web.Response:
            said = f"tokens of {KEY} \N{MICRO SIGN}".encode()
            return web.Response(body=said, headers={"Content-Type": "text/plain; charset=hex"})

    assert small_answer(Odd())[:2] == (200, "tokens of *** \N{MICRO SIGN}")


def test_an_answer_without_an_end_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(FakeServer):
        async def told(self, request: web.Request) -> web.StreamResponse:  # type: ignore[override]
            response = await begin_stream(request)
            while request.transport is not None and not request.transport.is_closing():
                await response.write(b"x" * 65_536)
                await asyncio.sleep(0)
            return response

    monkeypatch.setattr(clients, "_MOST_OF_AN_ANSWER", 1 << 20)
    with pytest.raises(TooLongError, match="/metrics answers with over 1 MiB"):
        small_answer(Endless())


def test_a_kept_connection_that_the_server_closed_is_no_failure() -> None:
    """Servers close idle connections, and the client may learn of it only by sending."""

    async def hang_up(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with FakeServer(reply=lambda number: hang_up if number == 1 else None).running() as server:
        found = asyncio.run(two(server.url))
        assert len(server.bodies) == 3
    assert [each.ending for each in found] == [Ending.OK, Ending.OK]
    with FakeServer(reply=lambda number: hang_up).running() as server:
        assert asked(server.url).ending is Ending.CUT  # the connection was its own: that is a failure
