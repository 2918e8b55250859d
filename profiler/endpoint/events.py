"""Server-sent events of a streamed completion, from the bytes as they come."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from profiler.serving.log import MOST_TOKENS

DONE = b"[DONE]"
# A chunk is a few hundred bytes, with the log-probabilities of every token some ten thousand.
_MOST_OF_AN_EVENT = 4 << 20


class MalformedStreamError(ValueError):
    """The stream holds something that is no chunk of a completion."""


class EventStream:
    """Cuts bytes into the data of events. A line ends with LF or CR LF; an event ends with an empty line."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, received: bytes) -> list[bytes]:
        """The data of each event that is whole by now.

        Raises `MalformedStreamError` for a line that is no event, and for an event of over 4 MiB.
        """
        *lines, self._rest = (self._rest + received).split(b"\n")
        found = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
                self._held += len(line)
            elif not line and self._data:
                found.append(b"\n".join(self._data))
                self._data, self._held = [], 0
            elif line and not line.startswith((b":", b"event", b"id", b"retry")):
                raise MalformedStreamError(f"a line that is no event: {line.decode(errors='replace')}")
        if self._held + len(self._rest) > _MOST_OF_AN_EVENT:
            raise MalformedStreamError(f"an event of over {_MOST_OF_AN_EVENT >> 20} MiB")
        return found


class _Delta(msgspec.Struct):
    content: str | None = None
    role: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    text: str | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one event says. `token` if it streams one (or several that the server sent together)."""

    token: bool
    answers: bool
    finished: bool
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    error: str = ""


_DECODE = msgspec.json.Decoder(_Chunk).decode


def chunk(data: bytes) -> Chunk:
    """One event. Raises `MalformedStreamError` for anything else than a chunk of a completion or an error.

    Text may be empty, as where a character is not whole yet: it is a token, unless the chunk only names the role, or
    only says why the stream ends.
    """
    try:
        decoded = _DECODE(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedStreamError(f"a chunk that is no JSON of a completion: {error}") from error
    raw = bytes(decoded.error)
    if raw not in (b"", b"null"):
        return Chunk(False, False, False, error=raw.decode(errors="replace"))
    usage = decoded.usage or _Usage()
    used = _meant(usage.prompt_tokens), _meant(usage.completion_tokens)
    if not decoded.choices:
        return Chunk(False, False, False, *used)
    first = decoded.choices[0]
    finished = first.finish_reason is not None
    return Chunk(_is_token(first, finished), True, finished, *used)


def _meant(tokens: int | None) -> int | None:
    """What can be no number of tokens is as if it were not said."""
    return tokens if tokens is not None and 0 <= tokens <= MOST_TOKENS else None


def _is_token(choice: _Choice, finished: bool) -> bool:
    delta = choice.delta
    if delta is None:
        return bool(choice.text) or (choice.text is not None and not finished)
    texts = (delta.content, delta.reasoning_content, delta.reasoning)
    if any(texts):
        return True
    return delta.role is None and not finished and any(text is not None for text in texts)
