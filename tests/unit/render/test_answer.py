"""What the first lines of every output say of a verdict."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from profiler.attribute.verdict import refuse
from profiler.render.answer import share_words
from profiler.report.records import Verdict
from profiler.report.vocabulary import VerdictState


def judged(state: VerdictState, low: float, high: float) -> Verdict:
    return replace(refuse(), state=state, share=0.66, low=low, high=high)


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (judged(VerdictState.CLEAR, 0.659, 0.661), "0.66 (0.66)"),
        (judged(VerdictState.INCONCLUSIVE, 0.659, 0.661), "0.66"),
        (judged(VerdictState.INCONCLUSIVE, 0.6, 0.7), "0.66 (0.60–0.70)"),
        (refuse("no trace"), ""),
    ],
)
def test_a_doubted_share_has_no_interval_that_looks_exact(verdict: Verdict, said: str) -> None:
    assert share_words(verdict) == said
