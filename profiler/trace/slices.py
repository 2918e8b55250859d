"""The events of a trace's text, a slice at a time, so that a trace need not fit into memory.

Where a slice ends is guessed: before the last `{` that follows a `}` and a comma. Whether that is the end of an event
is then proved by decoding the slice as a list of its own. It starts where an event starts, so up to its end the parser
is where it would be in the whole text; if the list may be closed there, an event ends there. A wrong guess (within a
string, within a list of an event's arguments) leaves something open, and is tried again with twice the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from profiler.trace.cut_text import ends_early, whole_events
from profiler.trace.no_numbers import without_nan
from profiler.trace.reading_flaws import Cut

# What a cache holds; enough that what is done once a slice does not count, and little beside what a process needs.
SLICE_BYTES = 256 << 10
# No event of a profiler and nothing around the events is longer; it bounds what is held of a text that never ends one.
_LONGEST_BYTES = 256 << 20

_NONE = b"[]"
_BARE = b"["
_OPENING = re.compile(rb'"traceEvents"\s*:\s*\[')
_LAST_OPENING = re.compile(_OPENING.pattern + rb"\Z")
_OPENINGS = 10  # to be tried
_BETWEEN = re.compile(rb"\}\s*,\s*\Z")
# How much white space there may be between two events, and how many `{` an event may have, before more text is read.
_BETWEEN_BYTES = 64
_GUESSES = 1_000


class NoTextError(ValueError):
    """There is nothing in the text, or nothing but spaces."""


class Surroundings(msgspec.Struct):
    """What a trace says beside its events."""

    base_ns: int = msgspec.field(name="baseTimeNanoseconds", default=0)
    properties: list[dict[str, Any]] = msgspec.field(name="deviceProperties", default_factory=list)
    distributed: Any = msgspec.field(name="distributedInfo", default=None)


class Read(Struct, frozen=True):
    """What was read beside the events, and where the text ends too early."""

    surroundings: Surroundings
    cut: Cut = Cut.NOWHERE
    is_bare: bool = False  # a list, with nothing that says what it is of


class _Whole(Surroundings, kw_only=True):
    events: msgspec.Raw = msgspec.field(name="traceEvents")


class _Renamed(Surroundings, kw_only=True):
    """With the key of the events renamed, so that a second list of events is not taken for the first."""

    events: msgspec.Raw = msgspec.field(name="first traceEvents")
    more: msgspec.Raw | msgspec.UnsetType = msgspec.field(name="traceEvents", default=msgspec.UNSET)


_RENAMED = b'"first traceEvents":['
# Decodes a list of events and does something with them; raises `msgspec.DecodeError` and does nothing if it is none.
Take = Callable[[bytes | msgspec.Raw], None]

_WHOLE = msgspec.json.Decoder(_Whole)
_WHOLE_RENAMED = msgspec.json.Decoder(_Renamed)


def each_slice(chunks: Iterable[bytes], take: Take, slice_bytes: int = SLICE_BYTES) -> Read:
    """Hand all events to `take`, a slice at a time, each as the text of a list.

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
            missing = min(len(text), _LONGEST_BYTES + 1 - len(text))
    text = b"".join((text, *pieces))
    if not opening and text.strip():
        opening, text = _opened(text)
    return _rest(opening, text, take, is_rest)


def _opened(text: bytes) -> tuple[bytes, bytes]:
    """What stands before the first event, and the rest of the text; nothing before it where that is not known yet."""
    text = text.lstrip()  # there may be any number of spaces
    first = text[:1]
    if first == b"[":
        _, _, text = text.partition(b"[")
        return _BARE, text
    if first not in (b"{", b""):
        raise ValueError("it does not begin as JSON does")
    for found in islice(_OPENING.finditer(text), _OPENINGS):
        opening = without_nan(text[: found.end()])
        try:
            _WHOLE.decode(opening + b"]}")
        except (msgspec.DecodeError, RecursionError):
            continue  # these are events within something else
        return opening, text[found.end() :]
    return b"", text  # there are none, or the text has to be read as a whole


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
        take(listed)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        numbered = without_nan(text)
        return numbered is not text and _taken(numbered, take)
    return True


def _rest(opening: bytes, text: bytes, take: Take, is_rest: bool) -> Read:
    """What is left, with what stood before the first event; that is known by now, or never will be."""
    if not opening and not text.strip():
        raise NoTextError
    try:
        surroundings, events = _around(opening, text)
        take(events)
        return Read(surroundings, is_bare=opening == _BARE)
    except msgspec.DecodeError as error:
        numbered = text if isinstance(error, msgspec.ValidationError) else without_nan(text)
        if numbered is not text:
            return _rest(opening, numbered, take, is_rest)
        if not ends_early(error, text):
            raise
    return _cut(opening, text, take, is_rest)


def _around(opening: bytes, text: bytes) -> tuple[Surroundings, bytes | msgspec.Raw]:
    if opening == _BARE:
        return Surroundings(), opening + text
    if not opening:
        whole = _WHOLE.decode(text)
        return whole, whole.events
    before, *_ = _LAST_OPENING.split(opening)
    renamed = _WHOLE_RENAMED.decode(before + _RENAMED + text)
    if renamed.more is not msgspec.UNSET:
        raise ValueError("it has `traceEvents` twice")
    return renamed, renamed.events


def _cut(opening: bytes, text: bytes, take: Take, is_rest: bool) -> Read:
    if not opening:
        raise ValueError("it ends before its first event")
    listed, cut = whole_events(text)
    if listed == _NONE and not is_rest:
        raise ValueError("it ends before the end of its first event")
    take(listed)
    if opening == _BARE:
        return Read(Surroundings(), cut, is_bare=True)
    return Read(_WHOLE.decode(opening + b"]}"), cut)
