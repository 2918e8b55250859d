"""The API key, from where it is kept."""

from __future__ import annotations

import pytest

from profiler.errors import UsageError
from profiler.session.endpoint_inputs import api_key


def test_without_a_name_the_usual_variable_is_read_and_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert api_key(None) is None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-usual")
    assert api_key(None) == "sk-usual"


@pytest.mark.parametrize("named", [None, "MY_KEY"])
@pytest.mark.parametrize("key", ["sk-a\n", "sk-\N{MICRO SIGN}"])
def test_a_key_that_no_header_can_hold_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, named: str | None, key: str
) -> None:
    variable = named or "OPENAI_API_KEY"
    monkeypatch.setenv(variable, key)
    with pytest.raises(UsageError, match=f"{variable} holds what no HTTP header can"):
        api_key(named)


def test_spaces_around_a_key_are_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP drops them, and so a server that repeats the key repeats it without them."""
    monkeypatch.setenv("MY_KEY", " sk-mine  ")
    assert api_key("MY_KEY") == "sk-mine"


@pytest.mark.parametrize("key", ["", "  "])
def test_a_variable_that_is_named_has_to_hold_a_key(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(UsageError, match="no key in the environment variable MY_KEY"):
        api_key("MY_KEY")
