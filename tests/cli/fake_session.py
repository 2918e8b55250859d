"""A session that answers at once, in place of one that loads models."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from profiler.progress import Progress
from profiler.report.records import Report
from profiler.session.request import ProfileRequest
from tests.unit.render import sample

Outcome = Callable[[ProfileRequest, Progress], Report]


def install(monkeypatch: pytest.MonkeyPatch, outcome: Outcome | BaseException | None = None) -> list[ProfileRequest]:
    """Let `profile_model` do `outcome` (raise it, or call it); returns the list that requests are kept in."""
    requests: list[ProfileRequest] = []

    def profile_model(request: ProfileRequest, *, progress: Progress) -> Report:
        requests.append(request)
        progress.stage("building the model", total=2)
        progress.advance()
        progress.note("weights are random")
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome(request, progress) if outcome is not None else sample.report()

    module: Any = ModuleType("profiler.session.profile")
    module.profile_model = profile_model
    monkeypatch.setitem(sys.modules, "profiler.session.profile", module)
    return requests
