"""The events of a trace's text, a slice at a time, so that a trace need not fit into memory.

Where a slice ends is guessed: before the last `{` that follows a `}` and a comma. Whether that is the end of an event
is then proved by decoding the slice as a list of its own. It starts where an event starts, so up to its end the parser
is where it would be in the whole text; if the list may be closed there, an event ends there. A wrong guess (within a
string, within a list of an event's arguments) leaves something open, and is tried again with twice the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from profiler.trace.cut_text import ends_early, whole_events
from profiler.trace.reading_flaws import Cut

# Enough that what is done once a slice does not count, and little beside what a process needs anyway.
SLICE_BYTES = 512 << 10
# No event of a profiler and nothing around the events is longer; it bounds what is held of a text that never ends one.
_LONGEST_BYTES = 256 << 20

_NONE = b"[]"
_OPENING = re.compile(rb'"traceEvents"\s*:\s*\[')
_BETWEEN = re.compile(rb"\}\s*,\s*\Z")
# How much white space there may be between two events, and how many `{` an event may have, before more text is read.
_BETWEEN_BYTES = 64
_GUESSES = 1_000


class NoTextError(ValueError):
    """There is nothing in the text, or nothing but spaces."""


class Head(msgspec.Struct, gc=False):
    """What decides whether the rest of an event is decoded."""

    ph: str = ""
    cat: str = ""


class Surroundings(msgspec.Struct):
    """What a trace says beside its events."""

    base_ns: int = msgspec.field(name="baseTimeNanoseconds", default=0)
    properties: list[dict[str, Any]] = msgspec.field(name="deviceProperties", default_factory=list)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read beside the events, and where the text ends too early."""

    surroundings: Surroundings
    cut: Cut = Cut.NOWHERE


class _Whole(Surroundings, kw_only=True):
    events: list[msgspec.Raw] = msgspec.field(name="traceEvents")


class _Heads(msgspec.Struct):
    events: list[Head] = msgspec.field(name="traceEvents")


Take = Callable[[list[Head], list[msgspec.Raw]], None]

_HEADS = msgspec.json.Decoder(list[Head])
_EVENTS = msgspec.json.Decoder(list[msgspec.Raw])
_HEADS_OF_WHOLE = msgspec.json.Decoder(_Heads)
_WHOLE = msgspec.json.Decoder(_Whole)


def each_slice(chunks: Iterable[bytes], take: Take, slice_bytes: int = SLICE_BYTES) -> Read:
    """Hand all events to `take`, a slice at a time: their heads and their texts, which it must not keep.

    Of a text that ends too early, all events that are whole. Raises `NoTextError`, or `ValueError` or
    `msgspec.MsgspecError` where the text is no trace.
    """
    opening, text, is_rest = b"", b"", False
    pieces: list[bytes] = []
    missing = slice_bytes
    for chunk in chunks:
        pieces.append(chunk)
        missing -= len(chunk)
        if missing > 0:
            continue
        text = b"".join((text, *pieces))
        pieces.clear()
        if len(text) > _LONGEST_BYTES:
            raise ValueError(f"there are {_LONGEST_BYTES >> 20} MiB without the end of an event")
        if not opening:
            opening, text = _opened(text)
        end = _last_end(text) if opening else 0
        if end and _taken(text[:end], take):
            text, is_rest = text[text.index(b",", end) + 1 :], True
            missing = slice_bytes - len(text)
        else:
            missing = len(text)
    return _rest(b"".join((opening, text, *pieces)), take, is_rest)


def _opened(text: bytes) -> tuple[bytes, bytes]:
    """What stands before the first event, and the rest of the text; nothing before it where that is not known yet."""
    first = text.lstrip()[:1]
    if first == b"[":
        _, _, text = text.partition(b"[")
        return b"[", text
    if first not in (b"{", b""):
        raise ValueError("it does not begin as JSON does")
    found = _OPENING.search(text)
    try:
        if found is not None:
            _WHOLE.decode(text[: found.end()] + b"]}")
            return text[: found.end()], text[found.end() :]
    except (msgspec.DecodeError, RecursionError):
        pass  # these are events within something else: the text has to be read as a whole
    return b"", text


def _last_end(text: bytes) -> int:
    """Behind the last `}` that a comma and a `{` follow; 0 if there is none, or it is too far back."""
    brace = len(text)
    for _ in range(_GUESSES):
        brace = text.rfind(b"{", 0, brace)
        if brace <= 0:
            return 0
        between = _BETWEEN.search(text, max(0, brace - _BETWEEN_BYTES), brace)
        if between is not None:
            return between.start() + 1
    return 0


def _taken(text: bytes, take: Take) -> bool:
    listed = b"[" + text + b"]"
    try:
        heads = _HEADS.decode(listed)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return False
    take(heads, _EVENTS.decode(listed))
    return True


def _rest(text: bytes, take: Take, is_rest: bool) -> Read:
    if not text.strip():
        raise NoTextError
    try:
        if text.lstrip().startswith(b"["):
            take(_HEADS.decode(text), _EVENTS.decode(text))
            return Read(Surroundings())
        whole = _WHOLE.decode(text)
        take(_HEADS_OF_WHOLE.decode(text).events, whole.events)
        return Read(whole)
    except msgspec.DecodeError as error:
        if not ends_early(error, text):
            raise
    return _cut(text, take, is_rest)


def _cut(text: bytes, take: Take, is_rest: bool) -> Read:
    opening, events = _opened(text)
    if not opening:
        raise ValueError("it ends before its first event")
    listed, cut = whole_events(events)
    if listed == _NONE and not is_rest:
        raise ValueError("it ends before the end of its first event")
    take(_HEADS.decode(listed), _EVENTS.decode(listed))
    return Read(Surroundings() if opening == b"[" else _WHOLE.decode(opening + b"]}"), cut)
