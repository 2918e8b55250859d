"""How every record of ours is written as JSON, and how its JSON Schema is."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()
# What JSON lets stand as it is, and who reads along obeys: control characters and what turns the direction of writing
# (`profiler.printable` has the list) a terminal, `##[` the runner of GitHub Actions. It only occurs within strings.
_OBEYED = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|#(?=#\[)")


def json_text(record: Any) -> bytes:
    """The record as JSON, indented by two spaces, with a newline at its end, and what is obeyed escaped."""
    text = msgspec.json.format(_ENCODER.encode(record), indent=2)
    is_harmless = text.isascii() and b"\x7f" not in text and b"##[" not in text  # as nearly all are
    return (text if is_harmless else _OBEYED.sub(_escaped, text)) + b"\n"


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema of a kind of record."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(kind)
