"""Every renderer makes of every kind of result what was looked at and found good.

Where a change is meant, `make golden` writes the files anew, and `git diff tests/golden` shows what became of it.
"""

from __future__ import annotations

import pytest

from tests.golden.renderings import HERE, kept, renderings

WANTED = renderings()


@pytest.mark.parametrize("name", WANTED)
def test_a_result_looks_as_it_did(name: str) -> None:
    path = HERE / name
    assert path.exists(), "make golden"
    assert WANTED[name]().splitlines() == path.read_text(encoding="utf-8").splitlines(), "if it is meant: make golden"


def test_there_is_no_golden_file_of_what_is_no_more() -> None:
    assert set(kept()) <= set(WANTED)
