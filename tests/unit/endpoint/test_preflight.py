"""What a server is asked before the load, and what is made of odd answers."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest
from aiohttp import web

from profiler.endpoint import client as clients
from profiler.endpoint.address import Address
from profiler.endpoint.client import Client
from profiler.endpoint.preflight import Found, look
from profiler.errors import FailedError, UsageError
from tests.fake_endpoint import FakeServer

NOW_S = 1_800_000_000.0


class Telling(FakeServer):
    """Answers /v1/models with `text` and `date`."""

    text = '{"data": [{"id": "fake", "max_model_len": 4096}]}'
    date = formatdate(NOW_S, usegmt=True)
    status = 200

    async def models(self, request: web.Request) -> web.Response:
        return web.Response(text=self.text, headers={"Date": self.date}, status=self.status)


def told(text: str = Telling.text, date: str = Telling.date) -> Telling:
    server = Telling()
    server.text, server.date = text, date
    return server


def looked(server: FakeServer, model: str | None = None) -> Found:
    """The client's clock stands until the first completion, and is five seconds on after it."""

    async def ask() -> Found:
        async with Client(Address.parsed(server.url), timeout_s=20.0) as client:
            return await look(client, model, ("completions",), lambda: NOW_S + (5.0 if server.bodies else 0.0))

    with server.running():
        return asyncio.run(ask())


def test_a_first_completion_that_takes_long_does_not_put_the_servers_clock_off() -> None:
    assert looked(told()).clock_skew_s == 0.0


def test_a_clock_that_is_off_is_told_in_seconds() -> None:
    assert looked(told(date=formatdate(NOW_S - 60, usegmt=True))).clock_skew_s == -60.0


@pytest.mark.parametrize(
    "date", ["now", "Mon, 01 Jan 99999999999999 00:00:00 GMT", "Mon, 01 Jan 2020 00:00:00 +99999999999999999999"]
)
def test_a_date_that_is_none_tells_nothing_of_the_clock(date: str) -> None:
    assert looked(told(date=date)).clock_skew_s is None


@pytest.mark.parametrize(("tokens", "context"), [("4096", 4096), ("9" * 401, None), ("-1", None), ("null", None)])
def test_a_context_that_can_be_none_is_not_known(tokens: str, context: int | None) -> None:
    found = looked(told(Telling.text.replace("4096", tokens)))
    assert found.context_tokens == context


def test_models_that_nobody_can_read_are_asked_for_in_one_line() -> None:
    for text in ("no JSON", '{"deep":' + "[" * 100_000):
        with pytest.raises(UsageError, match=r"/v1/models answers with HTTP 200 and no list of models; try: .*--model"):
            looked(told(text))


def test_a_wrong_path_is_told_by_what_was_asked_and_what_came_back() -> None:
    server = told("<html>not here</html>")
    server.status = 404
    with pytest.raises(
        UsageError, match="/v1/models answers with HTTP 404 and no list of models; try: the server's URL"
    ):
        looked(server)


def test_who_is_refused_reads_what_the_server_says_of_it() -> None:
    server = told("\nThis key has expired.\n" + "x" * 500)
    server.status = 401
    with pytest.raises(FailedError, match=r"refuses \(HTTP 401\): This key has expired.; try: --key-env"):
        looked(server)


def test_a_list_of_models_without_an_end_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_MOST_OF_AN_ANSWER", 1 << 20)
    with pytest.raises(FailedError, match="/v1/models answers with over 1 MiB; try: the URL of a server"):
        looked(told(" " * (1 << 21)), model="fake")
