"""`bottleneck --version`: what a bug report needs, without importing any of it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

import profiler
from profiler.cli import version as of_tool
from profiler.cli.application import application
from tests.cli.test_startup import HEAVY, imported_by


def test_it_begins_with_the_tool_and_names_what_runs_the_model() -> None:
    first, *others = CliRunner().invoke(application, ["--version"]).stdout.splitlines()
    assert first == f"bottleneck {profiler.__version__}"
    found = {line[:13].strip(): line[13:].strip() for line in others}
    assert found["Python"].startswith(platform.python_version())
    for package in ("torch", "transformers", "accelerate", "numpy"):
        assert found[package] == version(package)
    assert "driver" in found


def test_the_cuda_of_torch_is_what_torch_itself_says() -> None:
    import torch

    assert (torch.version.cuda or "none: this torch was built for CPUs") in of_tool.versions()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (dvs)\n", "580.159.04"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54  Tue Jun  6\n", "535.54"),
        ("something else\n", "not known"),
    ],
)
def test_the_driver_is_read_from_its_own_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "version"
    file.write_text(text)
    assert _line("driver", of_tool.versions(file)) == said


def test_without_a_driver_that_is_said(tmp_path: Path) -> None:
    assert _line("driver", of_tool.versions(tmp_path / "none")) == "none: there is no NVIDIA driver here"


def test_what_is_not_installed_is_said_not_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_tool, "_PACKAGES", ("a-package-that-nobody-has",))
    assert _line("a-package-that-nobody-has", of_tool.versions()) == "not installed"


def test_it_imports_nothing_that_it_names() -> None:
    assert not imported_by("--version").intersection(HEAVY)


def _line(name: str, text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name).strip()
