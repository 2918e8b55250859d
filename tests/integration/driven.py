"""`bottleneck endpoint` as a process of its own, and what it kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_TRIES = 3


def driven(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The answer to a load."""
    kept = tmp_path / "endpoint.json"
    command = [sys.executable, "-m", "profiler", "endpoint", *arguments, "-o", str(kept), "--force"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(kept.read_text())
    return answer


def undisturbed(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The same of a load whose client kept up, as it says itself: on a machine that others use, one of three."""
    for _ in range(_TRIES):
        answer = driven(tmp_path, *arguments)
        if not answer["client"]["limited"]:
            return answer
    raise AssertionError(f"the client was the limit {_TRIES} times: {answer['client']['reasons']}")
