"""NaN and infinities, which JSON does not have and floats in Python and C++ are written as all the same."""

from __future__ import annotations

import re

# What stands in their place. Where a count is wanted, it reads as -1: unknown. Nobody else writes -1 like this, so a
# time that is none can be told by it.
NO_NUMBER = b"-1.0E0"
_NO_NUMBER = re.compile(rb"(?<=[\s:,\[])-?(?:NaN|nan|[Ii]nf(?:inity)?)(?=[\s,\]}])")


def without_nan(text: bytes) -> bytes:
    """JSON text with `NO_NUMBER` for each of them, strings left alone; `text` must not begin within a string."""
    pieces: list[bytes] = []
    # With escapes blotted out, a quotation mark opens a string or closes it.
    unescaped = text.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
    at = counted = quotes = 0
    for found in _NO_NUMBER.finditer(text):
        quotes += unescaped.count(b'"', counted, found.start())
        counted = found.start()
        if quotes % 2 == 0:
            pieces += (text[at : found.start()], NO_NUMBER)
            at = found.end()
    return b"".join((*pieces, text[at:])) if pieces else text
