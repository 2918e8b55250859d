"""What `pip` makes of the project: a wheel that finds its presets wherever it is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import profiler

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.integration


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(folder))
    run("-m", "pip", "wheel", str(ROOT), *options, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_configs_inside_the_package_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.startswith(f"bottleneck_profiler-{profiler.__version__}-")
    presets = {Path(name).stem for name in names if name.startswith("profiler/_configs/models/")}
    assert presets >= {"tiny", "llama-3.1-8b"}
    assert len(presets) >= 33
    assert any(name.startswith("profiler/_configs/devices/") for name in names)
    assert any(name.startswith("profiler/_configs/budgets/") for name in names)
    assert "profiler/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "profiler",
        f"bottleneck_profiler-{profiler.__version__}.dist-info",
    }


def test_an_installed_wheel_finds_its_presets_far_from_the_project(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    run("-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(target), str(wheel), cwd=tmp_path)
    code = "import profiler, profiler.catalogue.presets as p; print(profiler.__file__, *p.preset_names())"
    where, *names = run("-c", code, cwd=tmp_path, PYTHONPATH=str(target)).split()
    assert Path(where).is_relative_to(target)
    assert len(names) >= 33
    assert "tiny" in names
    assert "llama-3.1-8b" in run("-m", "profiler", "models", cwd=tmp_path, PYTHONPATH=str(target))


def test_the_package_runs_as_a_module_and_as_a_command() -> None:
    assert run("-m", "profiler", "--version", cwd=ROOT).splitlines()[0] == f"bottleneck {profiler.__version__}"
    (command,) = entry_points(group="console_scripts", name="bottleneck")
    assert command.value == "profiler.cli:main"
    assert callable(command.load())


def test_an_installed_wheel_makes_a_page_and_carries_the_licences_of_what_draws_it(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    run("-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(target), str(wheel), cwd=tmp_path)
    report = ROOT / "tests" / "data" / "own" / "llama8b-graph.json.gz"
    arguments = ("show", str(report), "--format", "html", "-o", str(tmp_path / "report.html"))
    run("-m", "profiler", *arguments, cwd=tmp_path, PYTHONPATH=str(target))
    assert "Roofline of decode" in (tmp_path / "report.html").read_text(encoding="utf-8")
    vendored = {path.name for path in (target / "profiler" / "render" / "html" / "vendor").iterdir()}
    assert {"d3-LICENSE.txt", "plot-LICENSE.txt"} <= vendored
