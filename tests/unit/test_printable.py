"""Text from elsewhere becomes one line, in which nothing commands a terminal."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.printable import printable


@pytest.mark.parametrize("text", ["", "gemm_128x64", "größe/µ 日本 – 😀", "a\u00a0b", "C:\\a"])
def test_what_can_be_printed_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("two\nlines\r\u2028", "two\\nlines\\r\\u2028"),
        ("turned\u202egnp.exe", "turned\\u202egnp.exe"),
        (os.fsdecode(b"bad\xff.json"), "bad\\xff.json"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_what_cannot_is_escaped(text: str, line: str) -> None:
    assert printable(text) == line


@given(st.text(st.characters()))
def test_any_text_becomes_one_line_without_control_characters_that_is_unicode(text: str) -> None:
    line = printable(text)
    line.encode()
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in line)
    assert printable(line) == line


@given(st.binary())
def test_names_of_files_are_what_their_bytes_escaped_are(name: bytes) -> None:
    expected = name.decode("utf-8", "backslashreplace")
    assert printable(os.fsdecode(name)) == printable(expected)
