from __future__ import annotations

import pytest

from profiler.endpoint.address import Address
from profiler.errors import UsageError


@pytest.mark.parametrize(
    ("url", "root", "port", "api"),
    [
        ("http://localhost:8000", "http://localhost:8000", 8000, None),
        ("http://localhost:8000/", "http://localhost:8000", 8000, None),
        ("https://example.com/v1", "https://example.com", 443, None),
        ("https://example.com/llm/v1/", "https://example.com/llm", 443, None),
        ("http://h/v1/completions", "http://h", 80, "completions"),
        ("http://h/v1/chat/completions", "http://h", 80, "chat"),
        ("http://[::1]:8000", "http://[::1]:8000", 8000, None),
    ],
)
def test_a_url_may_end_where_it_likes(url: str, root: str, port: int, api: str | None) -> None:
    found = Address.parsed(url)
    assert (found.root, found.port, found.api) == (root, port, api)


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://h", "http://", "http://h:99999999", "http://h?x=1", "http://[::1", ""]
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        Address.parsed(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        Address.parsed("http://me:hunter2@h")
    assert "hunter2" not in str(refused.value)
