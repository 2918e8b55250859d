"""Ctrl-C before a verb runs, during imports and while what was typed is taken apart, is one clear line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.cli.boundary import Boundary
from tests.unit.trace.trace_events import RECORDINGS

runner = CliRunner()
TOLD = "interrupted: nothing was measured yet\n"
SIMULATE = ("simulate", "5:5", "--prefill-tokens-per-s", "1000", "--decode-tokens-per-s", "50")
ANALYZE = ("analyze", str(RECORDINGS / "stream_imbalance.json.gz"))
# Interrupts itself when a module is first searched for.
AT_IMPORT = """
import signal, sys

module = sys.argv.pop(1)

class Interrupting:
    def find_spec(self, name, *_):
        global module
        if name == module:
            module = None
            print("reached")
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from profiler.cli import main
main()
"""


@pytest.mark.parametrize("stage", ["make_context", "parse_args", "resolve_command"])
def test_while_what_was_typed_is_taken_apart(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Boundary, stage, interrupt)
    result = runner.invoke(application, SIMULATE)
    assert result.exit_code == 130
    assert result.stderr == TOLD


@pytest.mark.parametrize(
    ("module", "typed"),
    [
        ("profiler.cli.interrupts", SIMULATE),
        ("profiler.cli.streams", SIMULATE),
        ("profiler.cli.plain", SIMULATE),
        ("profiler.cli.application", SIMULATE),
        ("typer", SIMULATE),
        ("profiler.cli.profile", SIMULATE),
        ("profiler.cli.simulate", SIMULATE),
        ("rich.console", SIMULATE),
        ("profiler.session.simulate", SIMULATE),
        ("numpy", SIMULATE),
        ("profiler.serving.policies", SIMULATE),
        ("typer.rich_utils", ("--help",)),
        ("typer.rich_utils", ("simulate", "--nonsense")),
        ("profiler.cli.analysis", ANALYZE),
        ("profiler.session.analyze", ANALYZE),
        ("numpy", ANALYZE),
        ("profiler.session.analyze", (*ANALYZE, "--jobs", "1")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_while_modules_are_imported(module: str, typed: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, module, *typed], capture_output=True, text=True, check=False
    )
    assert done.stdout == "reached\n"
    assert done.returncode == 130
    assert done.stderr.endswith("interrupted: the answer was not written whole\n" if typed == ("--help",) else TOLD)
    assert all(line.startswith("[") for line in done.stderr.splitlines()[:-1])  # stages, and nothing else


def test_nothing_that_takes_a_while_is_imported_before_there_is_somebody_to_tell_it() -> None:
    code = "import sys; before = set(sys.modules); import profiler.cli; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"__future__", "profiler", "profiler.cli"}
