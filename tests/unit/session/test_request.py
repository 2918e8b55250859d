"""What was asked for: the same from Python as from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import profiler
from profiler.cli import profile as command
from profiler.errors import UsageError
from profiler.session.profile import PLANS
from profiler.session.request import NEW_TOKENS, ProfileRequest


def test_python_and_the_command_generate_as_many_tokens() -> None:
    assert NEW_TOKENS["standard"] == NEW_TOKENS["thorough"] == command._NEW_TOKENS
    assert NEW_TOKENS["quick"] == command._NEW_TOKENS_QUICK
    assert NEW_TOKENS.keys() == PLANS.keys()


def test_an_unknown_effort_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as raised:
        ProfileRequest(model="tiny", effort="heroic")
    assert raised.value.hint == "use one of quick, standard, thorough"


def test_python_refuses_a_trace_that_cannot_be_written_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        profiler.profile("tiny", device="cpu", trace_out=str(tmp_path / "nowhere" / "trace.json"))


def test_the_package_exports_what_it_promises() -> None:
    assert set(profiler.__all__) == {"Report", "__version__", "capture", "load_report", "profile"}
    for name in profiler.__all__:
        assert getattr(profiler, name)
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        profiler.analyse  # noqa: B018
