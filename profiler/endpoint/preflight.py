"""Before the load: who answers, what it takes, how it counts tokens, and how fast it is alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import msgspec

from profiler.endpoint.address import APIS
from profiler.endpoint.baseline import Unloaded, fitted_baseline
from profiler.endpoint.client import EXTENSIONS, Client, TooLongError, needed_aiohttp
from profiler.endpoint.exchange import Exchange
from profiler.endpoint.prompts import Tokeniser, fitted_tokeniser
from profiler.errors import FailedError, UsageError
from profiler.report.endpoint import Ending

_FALLBACKS = (tuple(EXTENSIONS), ("stream_options",), ())
_PROBE_WORDS, _PROBE_TOKENS, _BASELINE_TOKENS = (8, 72), 4, 16
_HINTS = {
    Ending.UNREACHABLE: "start the server, or check the host and the port",
    Ending.TLS: "http:// if the server speaks no TLS, else a certificate that this machine trusts",
    Ending.UNAUTHORISED: "--key-env NAME with the variable that holds the API key",
    Ending.NOT_FOUND: "the server's URL without a path, --api, or --model",
    Ending.MALFORMED: "the URL of a server that speaks OpenAI's API and streams",
    Ending.REJECTED: "--api completions or --api chat, or another --model",
    Ending.THROTTLED: "again when the server takes requests, or a key that is allowed more",
    Ending.SERVER_ERROR: "the server's own log: it failed at a request of a few tokens",
    Ending.TIMEOUT: "a longer --timeout-s, if the server is alive",
    Ending.CUT: "the server's own log: it broke off its answer to a request of a few tokens",
}
_LONGEST_LINE = 120
# HTTP dates have whole seconds.
_SKEW_S = 2.0
# A report holds whole numbers of 64 bits.
_MOST_CONTEXT = 2**63 - 1


class _Model(msgspec.Struct):
    id: str
    max_model_len: int | None = None


class _Models(msgspec.Struct):
    data: list[_Model] = []


@dataclass(frozen=True, slots=True)
class Found:
    """What the server is. `clock_skew_s` is its wall clock less the client's, None where it does not say."""

    context_tokens: int | None
    clock_skew_s: float | None
    tokeniser: Tokeniser
    round_trip_ns: int


async def look(client: Client, model: str | None, apis: Sequence[str], now_s: Callable[[], float] = time.time) -> Found:
    """Settle the client's model, API and extensions by asking. Raises `FailedError` in one line where none works."""
    aiohttp = needed_aiohttp()
    try:
        round_trip_ns = await client.round_trip_ns()
        status, text, date = await client.text("/v1/models")
        skew_s = _skew(date, now_s())
    except TooLongError as error:
        raise FailedError(client.told(error), _HINTS[Ending.MALFORMED]) from error
    except aiohttp.ClientSSLError as error:
        raise FailedError(f"TLS failure: {error}", _HINTS[Ending.TLS]) from error
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        told = client.told(error) or "no answer in time"
        raise FailedError(f"{client.address.root} does not answer: {told}", _HINTS[Ending.UNREACHABLE]) from error
    if status in (401, 403):
        raise FailedError(f"the server refuses (HTTP {status}): {_first_line(text)}", _HINTS[Ending.UNAUTHORISED])
    models = _models(text) if status == 200 else []
    client.model = model or _only(models, f"{client.address.root}/v1/models answers with HTTP {status}")
    context = next((each.max_model_len for each in models if each.id == client.model), None)
    if context is not None and not 0 < context <= _MOST_CONTEXT:
        context = None
    await _agree(client, apis)
    return Found(context, skew_s, await _tokeniser(client), round_trip_ns)


async def alone(
    client: Client,
    prompt_tokens: Sequence[int],
    prompt: Callable[[int, int], str],
    round_trip_ns: int,
    done: Callable[[], None],
) -> tuple[list[Exchange], Unloaded]:
    """Requests one after the other, and the line through their times.

    A model may answer a prompt by ending at once; anything else than that, and that to all prompts, is a `FailedError`.
    """
    exchanges = []
    for place, tokens in enumerate(prompt_tokens):
        exchange = await _asked(client, prompt(-1 - place, tokens), tokens, _BASELINE_TOKENS)
        if exchange.ok:
            exchanges.append(exchange)
        elif exchange.ending is not Ending.EMPTY:
            raise _failed(exchange)
        done()
    if not exchanges:
        raise _failed(exchange)
    return exchanges, fitted_baseline(exchanges, round_trip_ns)


async def _agree(client: Client, apis: Sequence[str]) -> None:
    """The first API, with the most extensions, that answers."""
    first: Exchange | None = None
    for api in apis:
        for extensions in _FALLBACKS:
            client.api, client.extensions = api, extensions
            exchange = await _asked(client, "Hello", 1, _PROBE_TOKENS)
            if exchange.ok or exchange.ending is Ending.EMPTY:
                return
            first = first or exchange
            if exchange.ending is not Ending.REJECTED:
                break
        if exchange.ending not in (Ending.REJECTED, Ending.NOT_FOUND):
            raise _failed(exchange)
    assert first is not None  # there is an API to ask for
    raise _failed(first)


async def _tokeniser(client: Client) -> Tokeniser:
    counted = []
    for words in _PROBE_WORDS:
        exchange = await _asked(client, Tokeniser().prompt(-words, words, 0), words, _PROBE_TOKENS)
        if exchange.said_prompt_tokens is None:
            return Tokeniser()
        counted.append(exchange.said_prompt_tokens)
    return fitted_tokeniser(_PROBE_WORDS, counted)


async def _asked(client: Client, prompt: str, tokens: int, most_tokens: int) -> Exchange:
    now = client.now_ns()
    exchange = Exchange(-1, tokens, most_tokens, now, now)
    await client.stream(exchange, prompt)
    return exchange


def _failed(exchange: Exchange) -> FailedError:
    what = f"the server does not serve ({exchange.ending.replace('_', ' ')}): {exchange.detail}"
    return FailedError(what, _HINTS.get(exchange.ending, ""))


def _models(text: str) -> list[_Model]:
    try:
        return msgspec.json.decode(text, type=_Models).data
    except (msgspec.DecodeError, RecursionError):
        return []


def _only(models: list[_Model], answer: str) -> str:
    if len(models) == 1:
        return models[0].id
    if not models:
        raise UsageError(f"{answer} and no list of models", "the server's URL without a path, or --model NAME")
    few = ", ".join(model.id for model in models[:5])
    raise UsageError(f"the server has {len(models)} models: {few}", f"--model {models[0].id}")


def _first_line(text: str) -> str:
    """What the server says of itself, as much as a line of ours has room for."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "it does not say why")
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "..."


def _skew(date: str | None, now_s: float) -> float | None:
    try:
        skew = parsedate_to_datetime(date).timestamp() - now_s if date is not None else None
    except (ValueError, OverflowError):
        return None
    return 0.0 if skew is not None and abs(skew) < _SKEW_S else skew


def supported_apis(wanted: str | None) -> tuple[str, ...]:
    """The APIs to try, in this order: the one that was named, else all."""
    return tuple(APIS) if wanted is None else (wanted,)
