"""What becomes of a request, against a server on loopback that does as it is told."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from profiler.endpoint.address import Address
from profiler.endpoint.client import Client
from profiler.endpoint.exchange import Exchange
from profiler.report.endpoint import Ending
from tests.fake_endpoint import FakeServer, Reply, cut, endless, raw, status

WHOLE = b'data: {"choices":[{"text":"a","finish_reason":null}]}\n\n'


def asked(url: str, *, api: str = "completions", most_tokens: int = 3, **options: Any) -> Exchange:
    async def ask() -> Exchange:
        async with Client(Address.parsed(url), api=api, model="fake", **options) as client:
            now = client.now_ns()
            exchange = Exchange(0, 2, most_tokens, now, now)
            await client.stream(exchange, "a prompt")
            return exchange

    return asyncio.run(ask())


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


def test_a_kept_connection_that_the_server_closed_is_no_failure() -> None:
    """Servers close idle connections, and the client may learn of it only by sending."""

    async def hang_up(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def ask(url: str) -> list[Exchange]:
        async with Client(Address.parsed(url), model="fake") as client:
            found = [Exchange(number, 2, 3, client.now_ns(), 0) for number in range(2)]
            for exchange in found:
                await client.stream(exchange, "a prompt")
            return found

    with FakeServer(reply=lambda number: hang_up if number == 1 else None).running() as server:
        found = asyncio.run(ask(server.url))
        assert len(server.bodies) == 3
    assert [each.ending for each in found] == [Ending.OK, Ending.OK]
    with FakeServer(reply=lambda number: hang_up).running() as server:
        assert asked(server.url).ending is Ending.CUT  # the connection was its own: that is a failure
