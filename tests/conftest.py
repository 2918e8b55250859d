"""What holds for all tests: properties are asserted of results, not of how long a busy machine takes for one."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
