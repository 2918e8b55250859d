"""An engine's own profiler over HTTP: what it says when it refuses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from profiler.endpoint.address import Address
from profiler.endpoint.client import Client
from profiler.endpoint.engine_profiler import EngineProfiler
from tests.fake_endpoint import FakeProfiler, FakeServer

KEY = "sk-very-secret-0123456789-of-40-characters"


@dataclass
class Refusing(FakeProfiler):
    """Repeats the key that it was sent, after so many other characters."""

    after: int = 0

    async def start(self, request: web.Request) -> web.Response:
        return web.Response(status=401, text="x" * self.after + request.headers["Authorization"])


def why(after: int) -> str:
    async def start(url: str) -> str | None:
        async with Client(Address.parsed(url), key=KEY) as client:
            return await EngineProfiler(client, Path("traces")).start()

    with FakeServer(profiler=Refusing("vllm", Path("none"), after=after)).running() as server:
        return asyncio.run(start(server.url)) or ""


def test_a_refusal_that_repeats_the_key_is_told_without_it() -> None:
    assert why(after=0) == "the server refused /start_profile (HTTP 401): Bearer ***"


def test_nor_is_a_part_of_the_key_left_where_a_refusal_is_cut() -> None:
    assert "sk-very" not in why(after=180)
