"""Decodes lists of events in one pass: the category of each chooses what is decoded of it.

To the decoder, events are a tagged union: of a category that is wanted, a type with the fields wanted of it, of any
other a type without fields. A union has to know all its tags, so categories are learned as they come. A list with a new
one in it, or with an event that has none, is sorted by hand first; traces have a dozen, and few events without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from profiler.trace.no_numbers import NO_NUMBER

Text = bytes | msgspec.Raw

_COMPLETE = "X"
# So many categories that are not wanted are learned: a trace that never stops having new ones costs no more memory.
_MOST_LEARNED = 200


class _Head(msgspec.Struct, gc=False):
    """What decides whether the rest of an event is decoded."""

    ph: Any = None
    cat: Any = None


_HEADS = msgspec.json.Decoder(list[_Head])
_TEXTS = msgspec.json.Decoder(list[msgspec.Raw])


class EventDecoder:
    """Decodes the complete events of some categories, in upper or lower case, as the type given for each.

    `undecodable` counts events that were left out since something that is no number stands where it cannot.
    """

    def __init__(self, types: Mapping[str, type[msgspec.Struct]]) -> None:
        self.undecodable = 0
        self._types = dict(types)
        self._known: dict[str, type[msgspec.Struct]] = {}
        self._category: dict[type[msgspec.Struct], str] = {}
        self._decoder: msgspec.json.Decoder[Any]
        self._learn(self._types)

    def decode(self, text: Text, found: Mapping[str, list[Any]]) -> None:
        """Add each event of a list to those `found` of its category (in lower case); they keep `text` alive.

        Raises `msgspec.DecodeError` and adds nothing where the text is no list of events.
        """
        try:
            events = self._decoder.decode(text)
        except msgspec.ValidationError:
            events = self._decode_wanted(text)
        add = {kind: found[category].append for kind, category in self._category.items()}
        for event in events:
            wanted = add.get(type(event))
            if wanted is not None and event.ph == _COMPLETE:
                wanted(event)

    def _decode_wanted(self, text: Text) -> list[Any]:
        heads, texts = _HEADS.decode(text), _TEXTS.decode(text)
        if new := {head.cat for head in heads if isinstance(head.cat, str)} - self._known.keys():
            self._learn(new)
        wanted = [
            event
            for head, event in zip(heads, texts, strict=True)
            if head.ph == _COMPLETE and isinstance(head.cat, str) and head.cat.lower() in self._types
        ]
        try:
            return self._decode(wanted)
        except msgspec.ValidationError:
            if NO_NUMBER not in bytes(text):
                raise
        return [event for each in wanted for event in self._decoded_or_none(each)]

    def _decode(self, events: Iterable[msgspec.Raw]) -> list[Any]:
        decoded: list[Any] = self._decoder.decode(b"[" + b",".join(events) + b"]")
        return decoded

    def _decoded_or_none(self, event: msgspec.Raw) -> list[Any]:
        try:
            return self._decode([event])
        except msgspec.ValidationError:
            if NO_NUMBER not in bytes(event):
                raise
        self.undecodable += 1
        return []

    def _learn(self, categories: Iterable[str]) -> None:
        for category in categories:
            base = self._types.get(category.lower())
            if base is not None:
                kind = self._known[category] = msgspec.defstruct(
                    "Wanted", [("ph", Any, None)], bases=(base,), tag_field="cat", tag=category, gc=False
                )
                self._category[kind] = category.lower()
            elif len(self._known) < _MOST_LEARNED:
                self._known[category] = msgspec.defstruct("Ignored", [], tag_field="cat", tag=category, gc=False)
        events: Any = reduce(or_, self._known.values())
        self._decoder = msgspec.json.Decoder(list[events], strict=False)  # numbers in quotes occur
