"""The GitHub Action as it is used: a model is profiled on this machine's CPU, and its budget decides."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from profiler.report.kinds import load_result
from profiler.report.records import Report
from tests import composite_action
from tests.cli.test_action import ACTION, ROOT

pytestmark = pytest.mark.integration


def test_a_preset_is_profiled_and_held_against_a_budget(tmp_path: Path) -> None:
    (tmp_path / "budget.toml").write_text("[overall]\nmax_ttft_ms = 60_000\nmax_memory_gb = 0.001\n")
    inputs = {
        "install": "false",
        "python": sys.executable,
        "model": "tiny",
        "arguments": "--device cpu --quick --prompt-tokens 32 --new-tokens 8",
        "budget": "budget.toml",
    }
    found = composite_action.run(ACTION, inputs, workspace=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    assert found.code == 3
    assert "overall.max_ttft_ms" not in found.log.split("::error", 1)[1]
    assert "::error title=bottleneck check%3A overall.max_memory_gb::" in found.log
    report = load_result(tmp_path / found.outputs["report"])
    assert isinstance(report, Report)
    assert found.outputs["state"] == report.verdict.state
