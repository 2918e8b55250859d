"""Tests that compile: what torch says of itself meanwhile is no failure of ours."""

from __future__ import annotations

import pytest

# Its compiler calls what it deprecates, recommends TF32, and captures an empty graph to hold a memory pool.
compiles = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*", "ignore::UserWarning:torch.*")
