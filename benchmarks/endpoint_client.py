"""What the client of `bottleneck endpoint` costs: against a server that does nothing, on loopback.

    python -m benchmarks.endpoint_client              # with the extra [serve]

The server, a process of its own, answers each request at once with a few tokens. Blocks of the client alternate with
blocks of a bare one, which writes ready bytes to a socket and looks at the clock when some come back: what that takes
is the machine's, the kernel's and asyncio's, and what the client takes beyond it is the client's. Where others use the
machine a pair of blocks says more about them than about the client: the quarter of the pairs counts in which the bare
client was disturbed least. Last, so many requests a second are asked for that no Python can send them: the client has
to say so.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from statistics import median

import numpy as np

from benchmarks._common import Estimate, Row, arguments, finish, stage
from profiler.endpoint.address import Address
from profiler.endpoint.client import Client
from profiler.endpoint.exchange import Exchange
from profiler.endpoint.load import Driver, Sent
from profiler.endpoint.watch import Watch, client_health
from profiler.report.endpoint import ClientHealth
from profiler.serving.generated import Lengths, generated_requests

RATE_PER_S, TOO_MANY_PER_S = 500.0, 5_000.0
PAIRS, BLOCK_S, WARM_UP_S = 24, 1.0, 0.5
QUIET = PAIRS // 4
TOKENS, PROMPT_TOKENS = 4, 100
MOST_ADDED_MS, LEAST_OF_RATE = 1.0, 0.99
_TOKEN = b'data: {"choices":[{"index":0,"text":" a","finish_reason":null}]}\n\n'
_LAST = b'data: {"choices":[{"index":0,"text":"","finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_ANSWER = _HEAD + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [_TOKEN] * TOKENS + [_LAST]) + b"0\r\n\r\n"
_LENGTH = b"content-length:"


class DoNothing(asyncio.Protocol):
    """Answers whatever is whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._rest = transport, b""

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if found and len(body) >= int(head.lower().partition(_LENGTH)[2].split(b"\r\n")[0]):
            self._rest = b""
            self._transport.write(_ANSWER)  # type: ignore[attr-defined]


class Bare(asyncio.Protocol):
    """One connection that is asked, and says when the first bytes came."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(time.monotonic_ns())


class BareClient:
    """The least that asyncio can do: ready bytes, connections that are kept."""

    def __init__(self, port: int, prompt: str) -> None:
        body = b'{"prompt":"%s","max_tokens":%d,"stream":true}' % (prompt.encode(), TOKENS)
        head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._port, self._request, self._idle = port, head + body, list[Bare]()

    async def send(self, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        exchange.began_ns = time.monotonic_ns()
        if self._idle:
            bare = self._idle.pop()
        else:
            _, bare = await loop.create_connection(Bare, "127.0.0.1", self._port)
        bare.answered = loop.create_future()
        bare.transport.write(self._request)  # type: ignore[attr-defined]
        exchange.token_ns.append(await bare.answered)
        exchange.last_ns = exchange.token_ns[0]
        self._idle.append(bare)


def serve(ready: Connection) -> None:
    """Until the process is ended."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(DoNothing, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def driven(send: object, rate_per_s: float, seconds: float) -> tuple[Sent, ClientHealth]:
    """One block, evenly paced."""
    log = generated_requests(
        rate_per_s, round(rate_per_s * seconds), Lengths("constant", PROMPT_TOKENS), Lengths("constant", TOKENS),
        burstiness=1e6, seed=0,
    )  # fmt: skip
    sent, watch = Sent(), Watch()
    beside = asyncio.create_task(watch.run())
    await Driver(send, time.monotonic_ns).open_loop(log, sent)  # type: ignore[arg-type]
    beside.cancel()
    return sent, client_health(watch.lag_ns, watch.cpu_ratio, sent.exchanges, capped=False)


async def measured(port: int) -> list[Row]:
    """All blocks, in turn."""
    prompt = "time " * PROMPT_TOKENS
    bare = BareClient(port, prompt)
    found: dict[str, list[list[float]]] = {"client": [], "bare": []}
    cpu_ms, ratios, health = [], [], None
    async with Client(Address.parsed(f"http://127.0.0.1:{port}"), model="none") as client:

        async def send(exchange: Exchange) -> None:
            await client.stream(exchange, prompt)

        for kind in (send, bare.send):
            await driven(kind, RATE_PER_S, WARM_UP_S)
        for block in range(PAIRS):
            for name, kind in (("client", send), ("bare", bare.send))[:: 1 if block % 2 else -1]:
                began_s = time.process_time()
                sent, told = await driven(kind, RATE_PER_S, BLOCK_S)
                if name == "client":
                    cpu_ms.append(1e3 * (time.process_time() - began_s) / len(sent.exchanges))
                    ratios.append(len(sent.exchanges) / ((sent.end_ns - sent.begin_ns) / 1e9) / RATE_PER_S)
                    health = told
                    assert all(each.ok for each in sent.exchanges)
                times = [each.ttft_ns / 1e6 for each in sent.exchanges]
                found[name].append([float(np.quantile(times, level)) for level in (0.5, 0.99)])
        _, swamped = await driven(send, TOO_MANY_PER_S, 1.0)
    assert health is not None
    return _rows(found, cpu_ms, ratios, health, swamped)


def _rows(
    found: dict[str, list[list[float]]],
    cpu_ms: list[float],
    ratios: list[float],
    health: ClientHealth,
    swamped: ClientHealth,
) -> list[Row]:
    rows = []
    quiet = sorted(range(PAIRS), key=lambda pair: found["bare"][pair][1])[:QUIET]
    for place, level in enumerate(("p50", "p99")):
        client, bare = ([found[name][pair][place] for pair in quiet] for name in ("client", "bare"))
        added = median(own - other for own, other in zip(client, bare, strict=True))
        rows.append(Row(f"TTFT {level}, client", Estimate(median(client)), "ms"))
        rows.append(Row(f"TTFT {level}, bare socket", Estimate(median(bare)), "ms"))
        claim, holds = (f"< {MOST_ADDED_MS:g}", added < MOST_ADDED_MS) if level == "p99" else ("", None)
        rows.append(Row(f"TTFT {level}, added", Estimate(added), "ms", claim, holds))
    kept = median(ratios)
    claim = f">= {LEAST_OF_RATE:g}"
    rows.append(Row(f"of {RATE_PER_S:g} requests/s", Estimate(kept), "", claim, kept >= LEAST_OF_RATE))
    rows.append(Row("CPU time of a request", Estimate(median(cpu_ms)), "ms"))
    rows.append(Row("says it kept up", None, "", "yes", not health.limited, "; ".join(health.reasons)))
    told = "; ".join(swamped.reasons)
    rows.append(Row(f"says it cannot send {TOO_MANY_PER_S:,.0f}/s", None, "", "yes", swamped.limited, told))
    return rows


def main() -> int:
    """Run all of it; the exit code."""
    options = arguments(__doc__).parse_args()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    with stage(f"{RATE_PER_S:g} requests/s, {PAIRS} pairs of blocks"):
        rows = asyncio.run(measured(ours.recv()))
    process.kill()
    return finish("The client of live servers", rows, options.out, {"rate_per_s": RATE_PER_S})


if __name__ == "__main__":
    sys.exit(main())
