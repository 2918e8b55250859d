from __future__ import annotations

from pathlib import Path

import pytest

from profiler.errors import UnknownModelError
from profiler.workload.source import SourceKind, resolve


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("mine", "tiny", "some/model"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "gpt2").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("llama-3.1-8b", SourceKind.PRESET),
        ("Llama-3.1-8B", SourceKind.PRESET),
        ("gemma-3-4b(text)", SourceKind.PRESET),
        ("gpt2", SourceKind.PRESET),  # the folder of that name holds no checkpoint
        ("meta-llama/Llama-3.1-8B", SourceKind.HUB),
        ("openai-community/gpt2", SourceKind.HUB),
        ("mine", SourceKind.FOLDER),
        ("./mine", SourceKind.FOLDER),
        ("./tiny", SourceKind.FOLDER),
        ("some/model", SourceKind.FOLDER),  # would be a hub id if there were no such folder
        ("package.module:factory", SourceKind.FACTORY),
        ("module:Class.make", SourceKind.FACTORY),
    ],
)
def test_what_is_typed_decides_where_the_model_comes_from(typed: str, kind: SourceKind, here: Path) -> None:
    assert resolve(typed, here).kind is kind


def test_an_absolute_folder_is_called_by_its_own_name_only(here: Path) -> None:
    source = resolve(str(here / "mine"))
    assert source.kind is SourceKind.FOLDER
    assert source.label == "mine"


def test_a_name_of_both_a_preset_and_a_folder_is_ambiguous(here: Path) -> None:
    with pytest.raises(UnknownModelError) as raised:
        resolve("tiny", here)
    assert "preset" in raised.value.message
    assert "./tiny" in raised.value.hint


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("lama-3.1-8b", "llama-3.1-8b"), ("llama3.1-8b", "llama-3.1-8b"), ("mixtral", "mixtral-8x7b"), ("gtp2", "gpt2")],
)
def test_an_unknown_name_is_answered_with_the_nearest_presets(typed: str, offered: str, here: Path) -> None:
    with pytest.raises(UnknownModelError) as raised:
        resolve(typed, here)
    assert repr(typed) in raised.value.message
    assert offered in raised.value.hint


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("./nowhere", "there is no folder"),
        ("./empty", "no config.json"),
        ("empty", "without config.json"),
        ("", "is no preset"),
        ("a/b/c", "is no preset"),
        ("1module:factory", "is no preset"),
    ],
)
def test_what_names_nothing_is_refused_in_one_line(typed: str, told: str, here: Path) -> None:
    with pytest.raises(UnknownModelError) as raised:
        resolve(typed, here)
    assert told in raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.hint
