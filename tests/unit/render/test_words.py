"""How things are called."""

from __future__ import annotations

import pytest

from profiler.render.words import stream_name


@pytest.mark.parametrize(
    ("number", "name"), [(0, "stream 0"), (7, "stream 7"), (300_020, "GPU 3 stream 20"), (-99_993, "stream 7")]
)
def test_a_stream_of_another_device_is_called_by_both_numbers(number: int, name: str) -> None:
    assert stream_name(number) == name
