"""Whatever a file holds, it is read as requests or refused in a line."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from profiler.errors import UnreadableError
from profiler.serving.log import MOST_TOKENS
from profiler.serving.request_file import read_requests

values = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
    st.sampled_from(["", "2023-11-16 18:17:03.9799600", "2023-13-99 99:99", "true", "null", '"', "1e999", "٣", " 7 "]),
)
headers = st.sampled_from(
    [
        "arrival_s,prompt_tokens,output_tokens",
        "TIMESTAMP,ContextTokens,GeneratedTokens",
        "timestamp,input_length,output_length",
    ]
)
tables = st.builds(
    lambda header, rows: "\n".join([header, *(",".join(row) for row in rows)]).encode(),
    headers,
    st.lists(st.lists(values, max_size=4), max_size=6),
)
lines = st.lists(
    st.builds(
        lambda arrival, prompt, output: (
            f'{{"timestamp": {arrival}, "input_length": {prompt}, "output_length": {output}}}'
        ),
        values,
        values,
        values,
    ),
    max_size=5,
).map(lambda found: "\n".join(found).encode())


@given(st.one_of(tables, lines, st.binary(max_size=200), st.binary(max_size=60).map(lambda found: b"\x1f\x8b" + found)))
@example(b'{"timestamp": 0, "input_length": [], "output_length": {}}')
@example(b"arrival_s,prompt_tokens,output_tokens\n0,1,1\n0,1,1\x00\n")
@settings(max_examples=300, deadline=None)
def test_a_file_is_a_log_or_refused_in_a_line(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(content)
        try:
            log = read_requests(path)
        except UnreadableError as error:
            refusal = error.message
            log = None
    if log is None:
        assert len(refusal.splitlines()) == 1
        return
    assert len(log) > 0
    assert log.arrival_ns[0] == 0
    assert (log.arrival_ns[1:] >= log.arrival_ns[:-1]).all()
    for tokens in (log.prompt_tokens, log.output_tokens):
        assert tokens.min() >= 1
        assert tokens.max() <= MOST_TOKENS
