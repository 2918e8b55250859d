"""Runs a composite action as GitHub's runner does: each step is a script for bash, fed by its environment alone.

Of the runner's expressions it knows those that a value of `env` or an output may be here, and refuses all others.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"^\$\{\{ (.+) \}\}$")


@dataclass
class Run:
    """What came of it: the code of the step that failed (0 if none), the action's outputs, and all that was written."""

    code: int
    outputs: dict[str, str]
    log: str
    summary: str
    steps: dict[str, dict[str, str]] = field(default_factory=dict)


def load(path: Path) -> dict[str, Any]:
    """The action's definition."""
    action: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return action


def run(path: Path, inputs: dict[str, str], *, workspace: Path, environment: dict[str, str]) -> Run:
    """Run all steps until one fails, in `workspace`."""
    action = load(path)
    assert not inputs.keys() - action["inputs"].keys()
    given = {name: inputs.get(name, declared.get("default", "")) for name, declared in action["inputs"].items()}
    outputs_of_steps: dict[str, dict[str, str]] = {}
    summary, log, code = workspace / ".summary", "", 0
    summary.touch()
    for place, step in enumerate(action["runs"]["steps"]):
        assert step["shell"] == "bash"
        script, output = workspace / f".step{place}.sh", workspace / f".output{place}"
        script.write_text(step["run"], encoding="utf-8")
        output.touch()
        env = {name: _value(text, given, outputs_of_steps) for name, text in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=workspace,
            env={**os.environ, **environment, "GITHUB_ACTION_PATH": str(path.parent), **files, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        log += result.stdout + result.stderr
        lines = [line.partition("=") for line in output.read_text(encoding="utf-8").splitlines()]
        outputs_of_steps[step.get("id", str(place))] = {name: value for name, _, value in lines}
        code = result.returncode
        if code:
            break
    found = {name: _value(each["value"], given, outputs_of_steps) for name, each in action["outputs"].items()}
    return Run(code, found, log, summary.read_text(encoding="utf-8"), outputs_of_steps)


def _value(text: str, inputs: dict[str, str], steps: dict[str, dict[str, str]]) -> str:
    expression = _EXPRESSION.match(text)
    if expression is None:
        assert "${{" not in text
        return text
    for term in expression[1].split(" || "):
        match term.split("."):
            case ["inputs", name]:
                value = inputs[name]
            case ["steps", step, "outputs", name]:
                value = steps.get(step, {}).get(name, "")
            case _:
                raise AssertionError(f"no expression that is known here: {term}")
        if value:
            return value
    return ""
