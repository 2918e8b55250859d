"""How every record of ours is written as JSON, and how its JSON Schema is."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()
# C1 control characters in UTF-8. JSON lets them stand as they are, and terminals obey them.
_CONTROL = re.compile(rb"\xc2([\x80-\x9f])")


def json_text(record: Any) -> bytes:
    """The record as JSON, indented by two spaces, with a newline at its end, and control characters escaped."""
    text = msgspec.json.format(_ENCODER.encode(record), indent=2)
    return _CONTROL.sub(lambda found: b"\\u00%02x" % ord(found[1]), text) + b"\n"


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema of a kind of record."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(kind)
