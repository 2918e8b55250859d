"""Protocol Buffers on the wire, as much of it as a Perfetto trace needs (protobuf.dev, "Encoding").

Messages are bytes here. A library that knows the schema would have to be installed with it, and takes longer to build a
message: ADR 31.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import IO

_VARINT, _FIXED64, _BLOCK, _FIXED32 = 0, 1, 2, 5
_MASK = (1 << 64) - 1
_SHORT = [bytes([value]) for value in range(128)]
_LENGTHS = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10

Value = int | bytes
"""A number as it stands on the wire, without its sign, or what a block holds."""


def varint(value: int) -> bytes:
    """A number of up to 64 bits, seven of them a byte; one below zero takes ten bytes."""
    if 0 <= value < 128:
        return _SHORT[value]
    value &= _MASK
    if value < 1 << 14:
        return bytes((value & 127 | 128, value >> 7))
    return _pair(value & 16383) + _rest(value >> 14)


# Lengths and times come in the order of their size: what is above their last 14 bits repeats.
@lru_cache(maxsize=1 << 14)
def _pair(value: int) -> bytes:
    return bytes((value & 127 | 128, value >> 7 | 128))


@lru_cache(maxsize=1 << 14)
def _rest(value: int) -> bytes:
    return varint(value)


@lru_cache(maxsize=256)
def tag(field: int, kind: int) -> bytes:
    """What a field begins with."""
    return varint(field << 3 | kind)


def block_tag(field: int) -> bytes:
    """What a field of type string, bytes or message begins with; its length follows."""
    return tag(field, _BLOCK)


def number_tag(field: int) -> bytes:
    """What a field of a whole number begins with; the number follows."""
    return tag(field, _VARINT)


def number(field: int, value: int) -> bytes:
    """A field of type int32, int64, uint32, uint64, bool or enum."""
    return tag(field, _VARINT) + varint(value)


def block(field: int, data: bytes) -> bytes:
    """A field of type string, bytes or message."""
    return tag(field, _BLOCK) + varint(len(data)) + data


def text(field: int, value: str) -> bytes:
    """A field of type string. A lone surrogate, which is no Unicode, becomes a question mark."""
    return block(field, value.encode("utf-8", "replace"))


def double(field: int, value: float) -> bytes:
    """A field of type double."""
    return tag(field, _FIXED64) + struct.pack("<d", value)


def fixed64(field: int, value: int) -> bytes:
    """A field of type fixed64."""
    return tag(field, _FIXED64) + struct.pack("<Q", value & _MASK)


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Each field's number and value, in order. Raises `ValueError` where this is no message."""
    place, end = 0, len(message)
    while place < end:
        begin, place = _varint_at(message, place)
        kind = begin & 7
        value: Value
        if kind == _VARINT:
            value, place = _varint_at(message, place)
        elif kind in _LENGTHS or kind == _BLOCK:
            length = _LENGTHS.get(kind, 0)
            if kind == _BLOCK:
                length, place = _varint_at(message, place)
            data = message[place : place + length]
            place += length
            value = data if kind == _BLOCK else int.from_bytes(data, "little")
        else:
            raise ValueError("a field of a kind that there is not")
        if place > end:
            raise ValueError("a field ends after its message")
        yield begin >> 3, value


def messages(file: IO[bytes], field: int, longest: int) -> Iterator[bytes]:
    """The blocks of one repeated field, of which the file consists.

    Raises `ValueError` where it holds anything else or one longer than `longest`, `EOFError` where it ends within one.
    """
    begin = tag(field, _BLOCK)
    while found := file.read(len(begin)):
        if found != begin:
            raise ValueError("what follows is no message")
        length = _read_varint(file)
        if length > longest:
            raise ValueError(f"a message in it takes {length} bytes")
        data = file.read(length)
        if len(data) < length:
            raise EOFError("the file ends within a message")
        yield data


def _varint_at(message: bytes, place: int) -> tuple[int, int]:
    if place < len(message) and message[place] < 128:  # most of them
        return message[place], place + 1
    value = 0
    for position in range(place, min(place + _LONGEST_VARINT, len(message))):
        byte = message[position]
        value |= (byte & 127) << 7 * (position - place)
        if byte < 128:
            return value & _MASK, position + 1
    raise ValueError("a number without an end")


def _read_varint(file: IO[bytes]) -> int:
    data = b""
    while not data or data[-1] > 127:
        byte = file.read(1)
        if not byte:
            raise EOFError("the file ends within a message")
        if len(data) == _LONGEST_VARINT:
            raise ValueError("a number without an end")
        data += byte
    return _varint_at(data, 0)[0]
