"""Text from elsewhere, such as the name of a file or of a kernel, as one line that commands no terminal."""

from __future__ import annotations

import re

# Both are compiled when the first text needs them, which few starts do.
# Control characters (C0, DEL, C1), ends of lines, what turns the direction of writing, and bytes that are no UTF-8.
_UNPRINTABLE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
# What the runner of GitHub Actions obeys where it stands in the output of a step: `::error::` where a line begins,
# and a long text may be broken anywhere; `##[error]` wherever it stands (actions/runner, ActionCommand.cs).
_RUNNERS = (
    r"(?i):(?=:(?:add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|internal-set-repo-path|notice"
    r"|remove-matcher|save-state|set-env|set-output|stop-commands|warning)(?: |::))|#(?=#\[)"
)
# How Python holds a byte of a file's name that it cannot decode (PEP 383).
_BYTE = range(0xDC80, 0xDD00)
_ESCAPED = 0xDC00


def printable(text: str) -> str:
    r"""`text` with what cannot be printed, or must not be, escaped as in Python: `\x1b`, `\n`, `\xff`."""
    if not text.isprintable():
        text = re.sub(_UNPRINTABLE, _escape, text)
    return re.sub(_RUNNERS, lambda found: f"\\x{ord(found[0]):x}", text) if "::" in text or "##[" in text else text


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(code - _ESCAPED if code in _BYTE else code).encode("unicode_escape").decode()
