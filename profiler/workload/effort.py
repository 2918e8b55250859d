"""How much is measured: the efforts, and how many tokens each generates unless told otherwise."""

from __future__ import annotations

NEW_TOKENS = {"quick": 32, "standard": 64, "thorough": 64}
