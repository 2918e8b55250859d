"""A server that speaks as much of the OpenAI API as a test needs, on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web


@dataclass
class FakeProfiler:
    """The two routes of an engine's profiler: `engine` is `vllm`, which writes into its own folder, or `sglang`, which
    writes where the request says. What it writes at its stop is a copy of `record`. A status but 200 is an answer.
    """

    engine: str
    record: Path
    folder: Path | None = None
    start_status: int = 200
    stop_status: int = 200
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    runs: bool = False

    async def start(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(("start", body))
        if self.start_status == 200:
            self.runs = True
            if self.engine == "sglang":
                self.folder = Path(body["output_dir"])
        return web.Response(status=self.start_status, text="as it is")

    async def stop(self, request: web.Request) -> web.Response:
        self.asked.append(("stop", {}))
        if self.stop_status == 200:
            assert self.runs
            assert self.folder is not None
            self.runs = False
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.record, self.folder / f"{self.engine}-{len(self.asked)}.pt.trace.json.gz")
        return web.Response(status=self.stop_status, text="as it is")


Reply = Callable[["FakeServer", web.Request, dict[str, Any]], Any]


@dataclass
class FakeServer:
    """`reply(number)` may answer a request in place of the usual stream; numbers count the streamed requests from 0.

    With `slots` so many run at once and the others queue; `prefill_s` and `decode_s` are real time. `metrics` gives the
    text of /metrics; `profiler`, if any, has routes of its own.
    """

    model: str = "fake"
    context: int | None = 4096
    apis: tuple[str, ...] = ("completions", "chat")
    key: str | None = None
    refused_fields: tuple[str, ...] = ()
    usage: bool = True
    extra_tokens: int = 0
    slots: int = 10_000
    prefill_s: float = 0.0
    decode_s: float = 0.0
    metrics: Callable[[FakeServer], str] | None = None
    profiler: FakeProfiler | None = None
    reply: Callable[[int], Reply | None] = lambda number: None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    queue_s: list[float] = field(default_factory=list)
    prefilled_s: list[float] = field(default_factory=list)
    decoded_s: list[float] = field(default_factory=list)
    url: str = ""

    async def completions(self, request: web.Request) -> web.StreamResponse:
        api = "chat" if "chat" in request.path else "completions"
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "no such key"}}, status=401)
        if api not in self.apis:
            return web.json_response({"detail": "Not Found"}, status=404)
        body = await request.json()
        unknown = [name for name in self.refused_fields if name in body]
        if unknown:
            return web.json_response({"detail": f"Unexpected fields: {unknown}"}, status=422)
        number = len(self.bodies)
        self.bodies.append(body)
        instead = self.reply(number)
        if instead is not None:
            return await instead(self, request, body)
        return await self.stream(request, body)

    async def stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """The usual answer: exactly so many tokens as were asked for, unless nobody listens any more."""
        response = await begin_stream(request)
        with suppress(ConnectionResetError):
            await self._tokens(response, body)
        return response

    async def _tokens(self, response: web.StreamResponse, body: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        came = loop.time()
        async with self._room:
            began = loop.time()
            await _pause(self.prefill_s)
            first = loop.time()
            for place in range(body["max_tokens"] + self.extra_tokens):
                if place:
                    await _pause(self.decode_s)
                await response.write(event(token(body)))
            ended = loop.time()
        self.queue_s.append(began - came)
        self.prefilled_s.append(first - began)
        self.decoded_s.append(ended - first)
        await response.write(event(finish(body)))
        if self.usage:
            used = {"prompt_tokens": prompt_tokens(body), "completion_tokens": body["max_tokens"] + self.extra_tokens}
            await response.write(event({"choices": [], "usage": used}))
        await response.write(b"data: [DONE]\n\n")

    async def models(self, request: web.Request) -> web.Response:
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "no such key"}}, status=401)
        return web.json_response({"data": [{"id": self.model, "max_model_len": self.context}]})

    async def told(self, request: web.Request) -> web.Response:
        if self.metrics is None:
            return web.Response(status=404)
        return web.Response(text=self.metrics(self))

    @contextmanager
    def running(self) -> Iterator[FakeServer]:
        """Serve while the context lasts."""
        loop, ready = asyncio.new_event_loop(), threading.Event()

        async def start() -> web.AppRunner:
            self._room = asyncio.Semaphore(self.slots)
            app = web.Application(client_max_size=1 << 26)
            app.router.add_post("/v1/completions", self.completions)
            app.router.add_post("/v1/chat/completions", self.completions)
            app.router.add_get("/v1/models", self.models)
            app.router.add_get("/metrics", self.told)
            if self.profiler is not None:
                app.router.add_post("/start_profile", self.profiler.start)
                app.router.add_post("/stop_profile", self.profiler.stop)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            return runner

        def serve() -> None:
            asyncio.set_event_loop(loop)
            runner = loop.run_until_complete(start())
            ready.set()
            loop.run_forever()
            loop.run_until_complete(runner.cleanup())
            loop.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)


async def begin_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


def event(record: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(record).encode() + b"\n\n"


def token(body: dict[str, Any]) -> dict[str, Any]:
    said = {"delta": {"content": " a"}} if "messages" in body else {"text": " a"}
    return {"choices": [{"index": 0, "finish_reason": None, **said}]}


def finish(body: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"delta": {}} if "messages" in body else {"text": ""}
    return {"choices": [{"index": 0, "finish_reason": "length", **said}]}


def prompt_tokens(body: dict[str, Any]) -> int:
    """Two tokens a word, and five that the server adds."""
    text = body["messages"][0]["content"] if "messages" in body else body["prompt"]
    return 2 * len(text.split()) + 5


def status(code: int, text: str = "no") -> Reply:
    """Answer with that status."""

    async def reply(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.Response:
        return web.json_response({"error": {"message": text}}, status=code)

    return reply


def cut(after: int) -> Reply:
    """Break the connection after so many tokens."""

    async def reply(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = await begin_stream(request)
        for _ in range(after):
            await response.write(event(token(body)))
        assert request.transport is not None
        request.transport.close()
        return response

    return reply


def raw(*chunks: bytes, content_type: str = "text/event-stream") -> Reply:
    """Stream these bytes, whatever they are."""

    async def reply(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for each in chunks:
            await response.write(each)
        return response

    return reply


def endless() -> Reply:
    """Stream tokens for as long as somebody listens."""

    async def reply(server: FakeServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = await begin_stream(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(event(token(body)))
            await asyncio.sleep(0)
        return response

    return reply


def vllm_metrics(server: FakeServer) -> str:
    """The metrics that vLLM would show of what was served."""
    lines = ["# HELP vllm:num_requests_running x", "vllm:num_requests_running 1.0", "vllm:num_requests_waiting 0.0"]
    lines += ['vllm:kv_cache_usage_perc{engine="0"} 0.25', "vllm:num_preemptions_total 0.0"]
    whole = [sum(each) for each in zip(server.queue_s, server.prefilled_s, server.decoded_s, strict=False)]
    first = [sum(each) for each in zip(server.queue_s, server.prefilled_s, strict=False)]
    for name, values in (
        ("request_queue_time", server.queue_s),
        ("request_prefill_time", server.prefilled_s),
        ("request_decode_time", server.decoded_s),
        ("time_to_first_token", first),
        ("e2e_request_latency", whole),
    ):
        lines += [f'vllm:{name}_seconds_sum{{engine="0"}} {sum(values)}']
        lines += [f'vllm:{name}_seconds_count{{engine="0"}} {len(values)}']
        lines += [f'vllm:{name}_seconds_bucket{{engine="0",le="+Inf"}} {len(values)}']
    return "\n".join(lines) + "\n"


async def _pause(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)
