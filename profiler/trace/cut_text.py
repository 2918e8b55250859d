"""The text of a trace that ends too early: the events that stand in it whole."""

from __future__ import annotations

import re

import msgspec

from profiler.trace.reading_flaws import Cut

_FOLLOWING = re.compile(rb"\s*([,\]]|\Z)")
_BYTE = re.compile(r"\(byte (\d+)\)")
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
# An event's arguments may hold objects; the last event that is whole ends before those of one that is not.
_GUESSES = 10_000
_LAST_BYTES = 8  # a number or an escape that ends early is called malformed a few bytes before its end


def ends_early(error: msgspec.DecodeError, text: bytes) -> bool:
    """Whether `text` could not be decoded because it ends, and for nothing else."""
    if isinstance(error, msgspec.ValidationError):
        return False
    place = _BYTE.search(str(error))
    return "truncated" in str(error) or (place is not None and int(place[1]) >= len(text) - _LAST_BYTES)


def whole_events(text: bytes) -> tuple[bytes, Cut]:
    """The events up to the last that is whole, as a list, and where the text ends; `text` starts with an event."""
    brace = len(text)
    for _ in range(_GUESSES):
        brace = text.rfind(b"}", 0, brace)
        if brace < 0:
            break
        following = _FOLLOWING.match(text, brace + 1)
        if following is None:
            continue
        listed = b"[" + text[: brace + 1] + b"]"
        try:
            _LIST.decode(listed)
        except msgspec.DecodeError:
            continue
        return listed, Cut.AFTER_EVENTS if following[1] == b"]" else Cut.WITHIN_EVENTS
    return b"[]", Cut.WITHIN_EVENTS
