"""Sending requests: at times of their own (open loop), or so many at once (closed loop)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

from profiler.endpoint.exchange import Exchange
from profiler.report.endpoint import Ending
from profiler.serving.log import RequestLog

Send = Callable[[Exchange], Awaitable[None]]
# So many failures one after the other, with nothing between them that ended well: there is no more to be learnt.
_HOPELESS = 100
# A server that is asked too much says 429: that is an answer.
_ANSWERS = (Ending.OK, Ending.THROTTLED)


@dataclass(slots=True)
class Sent:
    """What a load came to so far: exchanges in the order in which they ended, and why it stopped early, if it did.

    `started` counts the requests that were sent, ended or not.
    """

    begin_ns: int = 0
    end_ns: int = 0
    started: int = 0
    exchanges: list[Exchange] = field(default_factory=list)
    stopped: str = ""
    _failures: int = 0

    def add(self, exchange: Exchange) -> None:
        """One more that ended."""
        self.exchanges.append(exchange)
        self._failures = 0 if exchange.ending in _ANSWERS else self._failures + 1
        if self._failures >= _HOPELESS:
            self.stopped = f"{_HOPELESS} requests in a row failed, the last: {exchange.detail}"


@dataclass(frozen=True, slots=True)
class Driver:
    """Drives a load. `send` fills in an exchange; `done` is told of each that ended; `now_ns` is a monotonic clock."""

    send: Send
    now_ns: Callable[[], int]
    done: Callable[[], None] = lambda: None

    async def open_loop(self, log: RequestLog, sent: Sent, most_at_once: int | None = None) -> None:
        """Each request at its arrival, whether or not those before it ended, but for a limit on how many run."""
        room = asyncio.Semaphore(most_at_once) if most_at_once is not None else None
        broken: list[BaseException] = []

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                broken.append(error)

        sent.begin_ns = self.now_ns()
        async with _tasks() as tasks:
            for place in range(len(log)):
                due_ns = sent.begin_ns + int(log.arrival_ns[place])
                if (early_ns := due_ns - self.now_ns()) > 0:
                    await asyncio.sleep(early_ns / 1e9)
                if sent.stopped or broken:
                    break
                task = asyncio.create_task(self._one(log, place, due_ns, sent, room))
                tasks.add(task)
                task.add_done_callback(ended)
            while tasks and not broken:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if broken:
                raise broken[0]  # a request that is neither sent nor counted: no answer may leave that out
        sent.end_ns = self.now_ns()

    async def closed_loop(self, log: RequestLog, sent: Sent, at_once: int) -> None:
        """So many requests at any time: the next begins when one ends."""
        sent.begin_ns = self.now_ns()
        places = iter(range(len(log)))
        async with _tasks() as tasks:
            for _ in range(min(at_once, len(log))):
                tasks.add(asyncio.create_task(self._worker(log, places, sent)))
            await asyncio.gather(*tasks)
        sent.end_ns = self.now_ns()

    async def _worker(self, log: RequestLog, places: Iterator[int], sent: Sent) -> None:
        for place in places:
            if sent.stopped:
                return
            await self._one(log, place, self.now_ns(), sent, None)

    async def _one(self, log: RequestLog, place: int, due_ns: int, sent: Sent, room: asyncio.Semaphore | None) -> None:
        exchange = Exchange(place, int(log.prompt_tokens[place]), int(log.output_tokens[place]), due_ns, due_ns)
        async with room or nullcontext():
            if sent.stopped:
                return
            sent.started += 1
            await self.send(exchange)
        sent.add(exchange)
        self.done()


class _tasks:  # noqa: N801 - used as a statement
    """A set of tasks that are cancelled, and awaited, if their context ends early."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> set[asyncio.Task[None]]:
        return self._tasks

    async def __aexit__(self, *_: object) -> None:
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)  # raises only where this task itself is cancelled
