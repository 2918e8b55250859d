"""How every record of ours is written as JSON, and how its JSON Schema is."""

from __future__ import annotations

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


def json_text(record: Any) -> bytes:
    """The record as JSON, indented by two spaces, with a newline at its end."""
    return msgspec.json.format(_ENCODER.encode(record), indent=2) + b"\n"


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema of a kind of record."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(kind)
