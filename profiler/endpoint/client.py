"""The HTTP client: one streamed completion at a time, and the few other things that a server is asked.

aiohttp, as a request costs it a thirtieth of what httpx takes of the CPU where hundreds are under way.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from profiler.endpoint.address import APIS, Address
from profiler.endpoint.events import DONE, EventStream, MalformedStreamError, chunk
from profiler.endpoint.exchange import Exchange
from profiler.errors import UnsupportedError
from profiler.report.endpoint import Ending

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

_OF_STATUS = {401: Ending.UNAUTHORISED, 403: Ending.UNAUTHORISED, 404: Ending.NOT_FOUND, 405: Ending.NOT_FOUND}
_OF_STATUS[429] = Ending.THROTTLED
_CONNECT_S, _SMALL_ANSWER_S = 30.0, 30.0
_MOST_TEXT = 200
# A long list of models takes some 100 KB, metrics a few MB; why a server refuses stands in the first lines.
_MOST_OF_AN_ANSWER, _MOST_OF_A_REFUSAL = 32 << 20, 16 << 10
# Fields beyond the model, the prompt and its length. Not every server takes them.
EXTENSIONS: Mapping[str, object] = {"stream_options": {"include_usage": True}, "ignore_eos": True}


class TooLongError(OSError):
    """A small answer that is none."""


class Client:
    """Talks to one server. An asynchronous context manager; `now_ns` is a monotonic clock."""

    def __init__(
        self,
        address: Address,
        *,
        api: str = "completions",
        model: str = "",
        key: str | None = None,
        extensions: Sequence[str] = tuple(EXTENSIONS),
        timeout_s: float = 600.0,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.address, self.api, self.model, self.extensions = address, api, model, tuple(extensions)
        self._key, self._timeout_s, self.now_ns = key, timeout_s, now_ns
        # Whatever the case: aiohttp hands on types of content in small letters.
        self._secret = re.compile(re.escape(key), re.IGNORECASE) if key else None
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Client:
        aiohttp = needed_aiohttp()
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_start.append(self._connecting)
        trace.on_connection_create_end.append(self._connected)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=_CONNECT_S),
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            trace_configs=[trace],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> ClientSession:
        """The open session."""
        assert self._session is not None, "the client is not open"
        return self._session

    async def stream(self, exchange: Exchange, prompt: str) -> None:
        """Send one request and fill in what became of it. Whatever goes wrong is an ending, never an exception.

        A kept connection that the server had closed meanwhile is no failure: the request goes again, on another one.
        """
        body = msgspec.json.encode(self._body(prompt, exchange.most_tokens))
        exchange.began_ns = self.now_ns()
        while await self._closed_before(exchange, body):
            pass
        exchange.ended_ns = self.now_ns()

    async def _closed_before(self, exchange: Exchange, body: bytes) -> bool:
        """Send it; whether that was on a kept connection that turned out to be closed."""
        import aiohttp

        try:
            await self._post(exchange, body)
        except MalformedStreamError as error:
            self._end(exchange, Ending.MALFORMED, str(error))
        except aiohttp.ClientSSLError as error:
            self._end(exchange, Ending.TLS, self.told(error))
        except aiohttp.ClientConnectorError as error:  # whose own text speaks of TLS also where there is none
            self._end(exchange, Ending.UNREACHABLE, self.told(error))
        except aiohttp.ConnectionTimeoutError:
            self._end(exchange, Ending.UNREACHABLE, f"no connection within {_CONNECT_S:g} s")
        except TimeoutError:
            self._end(exchange, Ending.TIMEOUT, f"no end after {self._timeout_s:g} s")
        except aiohttp.ClientResponseError as error:
            self._end(exchange, Ending.MALFORMED, f"no HTTP answer: {self.told(error)}")
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            if exchange.status is None and not exchange.connect_ns:
                return True
            self._end(exchange, Ending.CUT, self.told(error) or type(error).__name__)
        except Exception as error:  # an answer that nobody foresaw: it counts, and the load goes on
            self._end(exchange, Ending.MALFORMED, f"{type(error).__name__}: {self.told(error)}")
        return False

    async def _post(self, exchange: Exchange, body: bytes) -> None:
        async with self.session.post(
            self.address.root + APIS[self.api],
            data=body,
            headers={"Content-Type": "application/json"},
            trace_request_ctx=exchange,
        ) as response:
            exchange.status = response.status
            if response.status != 200:
                await self._refused(exchange, response)
            elif response.content_type != "text/event-stream":
                self._end(exchange, Ending.MALFORMED, f"no event stream, but {response.content_type}")
            else:
                await self._read(exchange, response)

    async def text(
        self, path: str, *, post: Mapping[str, object] | None = None, timeout_s: float | None = None
    ) -> tuple[int, str, str | None]:
        """Status, text and `Date` of a small answer, or of one that may take `timeout_s`; GET unless there is a body.

        The key is masked in the text; of another status than 200 it is the beginning. Raises `TooLongError`, and what
        aiohttp raises: `OSError`, `TimeoutError` or `aiohttp.ClientError`, for which `told` has words.
        """
        import aiohttp

        method, body = ("GET", None) if post is None else ("POST", dict(post))
        limit = aiohttp.ClientTimeout(total=timeout_s or min(self._timeout_s, _SMALL_ANSWER_S))
        async with self.session.request(method, self.address.root + path, json=body, timeout=limit) as response:
            return response.status, await self._text_of(response), response.headers.get("Date")

    def masked(self, text: str) -> str:
        """What a server said, without the key. Cut it only afterwards: half a key is not found."""
        return self._secret.sub("***", text) if self._secret else text

    def told(self, error: Exception) -> str:
        """What an exception says, without the key; empty for one that says nothing, as of a time that is over."""
        # aiohttp cuts a line that is too long, and may cut a key with it.
        said = getattr(error, "message", None) or getattr(error, "strerror", None) or str(error)
        return self.masked(str(said).partition(" when reading: ")[0])

    async def round_trip_ns(self, tries: int = 5) -> int:
        """The shortest of some TCP handshakes: one way there and back. Raises `OSError`, of one too slow too."""
        limit_s = min(self._timeout_s, _CONNECT_S)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.address.host, self.address.port, type=1)
        shortest: list[int] = []
        why: OSError | None = None
        for *_, place in found:
            for _ in range(tries):
                began = self.now_ns()
                try:
                    async with asyncio.timeout(limit_s):
                        _, writer = await asyncio.open_connection(*place[:2])
                except TimeoutError:
                    why = TimeoutError(f"no connection within {limit_s:g} s")
                    break
                except OSError as error:
                    why = error
                    break
                shortest.append(self.now_ns() - began)
                writer.close()
            if shortest:
                return min(shortest)
        raise why or OSError("no address")

    def _body(self, prompt: str, most_tokens: int) -> dict[str, object]:
        asked = {"messages": [{"role": "user", "content": prompt}]} if self.api == "chat" else {"prompt": prompt}
        extensions = {name: EXTENSIONS[name] for name in self.extensions}
        fixed = {"model": self.model, "max_tokens": most_tokens, "temperature": 0.0, "stream": True}
        return fixed | asked | extensions

    async def _read(self, exchange: Exchange, response: ClientResponse) -> None:
        events, finished = EventStream(), False
        async for received in response.content.iter_any():
            now = self.now_ns()
            for data in events.feed(received):
                if data.strip() == DONE:
                    finished = True
                    continue
                said = chunk(data)
                if said.error:
                    self._end(exchange, Ending.SERVER_ERROR, f"within the stream: {said.error}")
                    return
                if said.token:
                    exchange.token_ns.append(now)
                if said.answers:
                    exchange.last_ns = now
                finished = finished or said.finished
                if said.output_tokens is not None:
                    exchange.said_prompt_tokens, exchange.said_output_tokens = said.prompt_tokens, said.output_tokens
            if exchange.overran:
                self._end(exchange, Ending.OVERRUN, f"over {len(exchange.token_ns) - 1} tokens came, and more")
                return
        if not finished:
            self._end(exchange, Ending.CUT, f"the stream ended after {len(exchange.token_ns)} tokens without its end")
        elif not exchange.token_ns:
            self._end(exchange, Ending.EMPTY, "the stream had no token")

    async def _refused(self, exchange: Exchange, response: ClientResponse) -> None:
        told = " ".join((await self._text_of(response)).split())
        usual = Ending.SERVER_ERROR if response.status >= 500 else Ending.REJECTED
        self._end(exchange, _OF_STATUS.get(response.status, usual), f"HTTP {response.status} {told}")

    async def _text_of(self, response: ClientResponse) -> str:
        """As UTF-8, whatever the header says; of a refusal the beginning. Raises `TooLongError`."""
        well = response.status == 200
        most, body = _MOST_OF_AN_ANSWER if well else _MOST_OF_A_REFUSAL, bytearray()
        async for received in response.content.iter_any():
            body += received
            if len(body) > most:
                break
        if well and len(body) > most:
            raise TooLongError(f"{response.url.path} answers with over {most >> 20} MiB")
        text = self.masked(body[:most].decode(errors="replace"))
        if len(body) > most:  # half a key may stand at the end
            text = text[: max(len(text) - len(self._key or ""), 0)]
        return text

    def _end(self, exchange: Exchange, ending: Ending, detail: str) -> None:
        exchange.ending, exchange.detail = ending, self.masked(detail)[:_MOST_TEXT]

    async def _connecting(self, _session: Any, context: Any, _params: Any) -> None:
        context.began_connecting_ns = self.now_ns()

    async def _connected(self, _session: Any, context: Any, _params: Any) -> None:
        exchange = context.trace_request_ctx
        if isinstance(exchange, Exchange):
            exchange.connect_ns = self.now_ns() - context.began_connecting_ns


def needed_aiohttp() -> Any:
    """The HTTP library. Raises `UnsupportedError` where it is not installed."""
    try:
        import aiohttp
    except ImportError as error:
        raise UnsupportedError(
            "talking to a server needs aiohttp, which is not installed", "pip install 'bottleneck-profiler[serve]'"
        ) from error
    return aiohttp
