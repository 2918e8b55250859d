from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.endpoint.events import EventStream, MalformedStreamError, chunk

STREAM = b': hello\n\ndata: {"choices":[{"text":" a"}]}\r\n\r\nevent: x\ndata: one\ndata: two\n\ndata: [DONE]\n\n'
EVENTS = [b'{"choices":[{"text":" a"}]}', b"one\ntwo", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_wherever_the_network_cuts_the_stream(cuts: list[int]) -> None:
    stream, found, begin = EventStream(), [], 0
    for end in [*sorted(cuts), len(STREAM)]:
        found += stream.feed(STREAM[begin:end])
        begin = end
    assert found == EVENTS


def test_an_event_that_is_not_whole_is_held_back() -> None:
    stream = EventStream()
    assert stream.feed(b"data: half") == []
    assert stream.feed(b"\n") == []
    assert stream.feed(b"\n") == [b"half"]


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 65_536, b"data: x\n" * 8192])
def test_an_event_without_an_end_is_malformed_before_it_fills_the_memory(endless: bytes) -> None:
    stream = EventStream()
    for _ in range(60):
        assert stream.feed(endless) == []
    with pytest.raises(MalformedStreamError, match="over 4 MiB"):
        [stream.feed(endless) for _ in range(40)]


def test_what_is_no_event_stream_is_malformed() -> None:
    with pytest.raises(MalformedStreamError, match="<html>"):
        EventStream().feed(b"<html>\n")


@pytest.mark.parametrize(
    ("data", "token"),
    [
        (b'{"choices":[{"text":" a","finish_reason":null}]}', True),
        (b'{"choices":[{"text":"","finish_reason":null}]}', True),  # a character that is not whole yet
        (b'{"choices":[{"text":" a","finish_reason":"length"}]}', True),
        (b'{"choices":[{"text":"","finish_reason":"length"}]}', False),
        (b'{"choices":[{"delta":{"role":"assistant","content":""}}]}', False),
        (b'{"choices":[{"delta":{"role":"assistant"}}]}', False),
        (b'{"choices":[{"delta":{"content":"a"}}]}', True),
        (b'{"choices":[{"delta":{"content":""}}]}', True),
        (b'{"choices":[{"delta":{"reasoning_content":"hm"}}]}', True),
        (b'{"choices":[{"delta":{},"finish_reason":"stop"}]}', False),
        (b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}', False),
    ],
)
def test_a_chunk_is_a_token_where_it_streams_one(data: bytes, token: bool) -> None:
    assert chunk(data).token is token


def test_usage_and_errors_are_read() -> None:
    used = chunk(b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}')
    assert (used.prompt_tokens, used.output_tokens) == (3, 4)
    assert "out of memory" in chunk(b'{"error":{"message":"out of memory"}}').error
    assert not chunk(b'{"choices":[{"text":"a"}],"error":null}').error


@pytest.mark.parametrize("tokens", [-1, 10**7 + 1, 10**400])
def test_a_usage_that_no_log_could_hold_is_as_if_it_were_not_said(tokens: int) -> None:
    for choices in ("[]", '[{"text": "a"}]'):
        said = f'{{"choices": {choices}, "usage": {{"prompt_tokens": {tokens}, "completion_tokens": 4}}}}'
        assert (chunk(said.encode()).prompt_tokens, chunk(said.encode()).output_tokens) == (None, 4)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_chunk_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedStreamError):
        chunk(data)
