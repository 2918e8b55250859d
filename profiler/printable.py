"""Text from elsewhere, such as the name of a file or of a kernel, as one line that commands no terminal."""

from __future__ import annotations

import re

# Control characters (C0, DEL, C1), ends of lines, what turns the direction of writing, and bytes that are no UTF-8.
_UNPRINTABLE = "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
# How Python holds a byte of a file's name that it cannot decode (PEP 383).
_BYTE = range(0xDC80, 0xDD00)
_ESCAPED = 0xDC00


def printable(text: str) -> str:
    r"""`text` with what cannot be printed, or must not be, escaped as in Python: `\x1b`, `\n`, `\xff`."""
    return text if text.isprintable() else re.sub(_UNPRINTABLE, _escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(code - _ESCAPED if code in _BYTE else code).encode("unicode_escape").decode()
