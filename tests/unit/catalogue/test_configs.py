"""The data files are found in a wheel and in a checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from profiler.catalogue.configs import configs_folder


def test_a_wheel_carries_its_data_inside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "profiler"
    (package / "_configs" / "models").mkdir(parents=True)
    (tmp_path / "site-packages" / "configs" / "models").mkdir(parents=True)  # another package's folder
    assert configs_folder(package) == package / "_configs"


def test_a_checkout_has_its_data_beside_the_package(tmp_path: Path) -> None:
    (tmp_path / "configs" / "models").mkdir(parents=True)
    assert configs_folder(tmp_path / "profiler") == tmp_path / "configs"


def test_a_damaged_installation_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="_configs"):
        configs_folder(tmp_path / "profiler")


def test_reading_a_preset_imports_no_torch() -> None:
    code = (
        "import sys; from profiler.catalogue import architecture, datasheet, footprint, presets, work;"
        "architecture.Architecture.from_config(presets.load_preset('tiny').config);"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
