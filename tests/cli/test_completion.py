"""What Tab offers: in a real bash, and without importing what a verb would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from profiler.catalogue.budgets import budget_names
from profiler.catalogue.datasheet import datasheet_names
from profiler.catalogue.presets import preset_names

COMMAND = [sys.executable, "-m", "profiler"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("report.json", "other.json.gz", "notes.txt", "own.toml", ".hidden.json", "runs/first.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(*words: str) -> list[str]:
    """What is offered for the last of the words, which may be unfinished."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "_BOTTLENECK_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["bottleneck", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code = (
        "import sys; from profiler.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    assert not {'torch', 'transformers', 'numpy', 'rich.progress'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_verbs_and_options_are_completed() -> None:
    assert offered("che") == ["check"]
    assert "--prompt-tokens" in offered("profile", "--p")


def test_a_model_is_a_preset() -> None:
    assert offered("profile", "llama") == [name for name in preset_names() if name.startswith("llama")]
    assert offered("profile", "./my") == []  # which leaves it to the shell


def test_a_device_to_predict_is_one_with_a_datasheet() -> None:
    assert offered("whatif", "report.json", "--device", "h1") == [n for n in datasheet_names() if n.startswith("h1")]


@pytest.mark.parametrize("words", [("show",), ("whatif",), ("check",), ("check", "x", "--baseline")])
def test_a_report_is_a_file_that_could_be_one(words: tuple[str, ...]) -> None:
    assert offered(*words, "") == ["other.json.gz", "report.json", "runs/"]
    assert offered(*words, "rep") == ["report.json"]
    assert offered(*words, "ru") == ["runs/first.json"]
    assert offered(*words, "gone/") == []


def test_a_budget_is_one_that_is_installed_along_or_a_file() -> None:
    assert offered("check", "report.json", "--budget", "") == [*budget_names(), "own.toml", "runs/"]


def test_choices_are_completed() -> None:
    assert offered("check", "report.json", "--inconclusive", "") == ["pass", "fail"]
    assert offered("profile", "tiny", "--mode", "g") == ["graph"]


def test_what_is_installed_for_bash_completes_there(folder: Path) -> None:
    program = folder / "bin" / "bottleneck"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m profiler "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    script = (
        "bottleneck --install-completion >/dev/null && . ~/.bashrc\n"
        "COMP_WORDS=(bottleneck show rep) COMP_CWORD=2 && _bottleneck_completion bottleneck\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    result = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["report.json"]
    shown = subprocess.run(
        ["bash", "-c", "bottleneck --show-completion; true"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "complete -o default -F _bottleneck_completion bottleneck" in shown.stdout
