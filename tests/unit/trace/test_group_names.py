from __future__ import annotations

import pytest

from profiler.trace.group_names import group_name


@pytest.mark.parametrize(
    ("name", "ranks", "shown"),
    [
        (b'"default_pg"', b'"[0, 1, 2, 3]"', "default_pg [0, 1, 2, 3]"),
        (b'"0"', b'"[0, 1, ..., 63]"', "0 [0, 1, ..., 63]"),
        (b'"mesh_dp_shard_cp"', b'""', "mesh_dp_shard_cp"),
        (b'""', b'"[0, 1]"', "[0, 1]"),
    ],
)
def test_plain_names_and_ranks_are_kept(name: bytes, ranks: bytes, shown: str) -> None:
    assert group_name(name, ranks) == shown


def test_anything_else_is_a_number_that_is_the_same_everywhere() -> None:
    first, other = (group_name(text, b'"hf_LiveToken12345"') for text in (b'"hf_LiveToken12345"', b'{"a": 1}'))
    assert "hf_" not in first
    assert first == group_name(b'"hf_LiveToken12345"', b'"hf_LiveToken12345"')
    assert first != other
