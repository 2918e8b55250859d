"""Where a server is, from what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from profiler.errors import UsageError

APIS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
_EXAMPLE = "http://localhost:8000"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """`root` is what comes before `/v1`; `api` is named where the URL ends with one."""

    root: str
    host: str
    port: int
    api: str | None = None

    @classmethod
    def parsed(cls, url: str) -> Address:
        """From a server's URL, with or without `/v1` and the name of an API. Raises `UsageError`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"this is no URL: {error}", _EXAMPLE) from error
        if parts.scheme not in _PORTS or not host:
            raise UsageError("the URL of a server begins with http:// or https://", _EXAMPLE)
        if parts.username is not None or parts.password is not None:
            raise UsageError("a URL with a password in it would end up in reports", "--key-env with a variable's name")
        if parts.query or parts.fragment:
            raise UsageError("the URL of a server has no ? and no #", _EXAMPLE)
        path, api = parts.path.rstrip("/"), None
        for name in ("chat", "completions"):  # the longer one first
            if path.endswith(APIS[name]):
                path, api = path.removesuffix(APIS[name]), name
                break
        path = path.removesuffix("/v1")
        return cls(f"{parts.scheme}://{parts.netloc}{path}", host, port or _PORTS[parts.scheme], api)
