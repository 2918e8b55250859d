"""JSON of ours is what it was made from, and commands no terminal on its way."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from profiler.report.json_text import json_text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_is_read_is_what_was_written_without_control_characters_on_the_way(texts: list[str]) -> None:
    written = json_text(texts)
    assert msgspec.json.decode(written) == texts
    assert not any(0x80 <= ord(sign) < 0xA0 or ord(sign) < 0x20 for sign in written.decode() if sign != "\n")
