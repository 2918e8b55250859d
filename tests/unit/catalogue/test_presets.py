"""Every preset is a model that transformers builds with exactly the parameters that were counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from profiler.catalogue.architecture import Architecture
from profiler.catalogue.presets import load_preset, nearest_names, preset_names

CATALOGUE = Path(__file__).parents[4] / "shared/data/models/model_catalogue.json"


@pytest.mark.parametrize("name", preset_names())
def test_transformers_builds_a_preset_with_the_parameters_that_were_counted(name: str) -> None:
    preset = load_preset(name)
    config = AutoConfig.for_model(**preset.config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    assert sum(parameter.numel() for parameter in model.parameters()) == preset.total_params
    architecture = Architecture.from_config(preset.config)
    assert architecture == Architecture.from_config(config.to_dict())
    assert architecture.parameters == preset.total_params
    assert architecture.active_parameters == preset.active_params


@pytest.mark.skipif(not CATALOGUE.exists(), reason=f"no catalogue of models at {CATALOGUE}")
def test_every_model_of_the_catalogue_is_a_preset_with_its_sizes() -> None:
    for name, model in json.loads(CATALOGUE.read_text()).items():
        preset = load_preset(name)
        assert (preset.total_params, preset.active_params) == (model["total_params"], model["active_params"])


def test_preset_names_need_no_quotes_in_a_shell() -> None:
    assert len(preset_names()) == 33
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for name in preset_names())


def test_a_preset_is_also_found_by_its_bracketed_or_capitalised_name() -> None:
    assert load_preset("gemma-3-4b(text)") == load_preset("gemma-3-4b-text")
    assert load_preset("Llama-3.1-8B").name == "llama-3.1-8b"


@pytest.mark.parametrize("name", ["", "llama", "../models/tiny", "tiny.json", "meta-llama/Llama-3.1-8B"])
def test_what_is_no_preset_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        load_preset(name)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lama-3.1-8b", "llama-3.1-8b"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("qwen3-30b", "qwen3-30b-a3b"),
        ("gpt-2", "gpt2"),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert nearest_names(typed, preset_names())[0] == meant


def test_names_that_contain_what_was_typed_are_offered_first_and_no_more_than_asked_for() -> None:
    assert all(name.startswith("mixtral") for name in nearest_names("mixtral", preset_names(), count=1))
    assert len(nearest_names("qwen", preset_names(), count=2)) == 2
    assert nearest_names("xyzzy", preset_names()) == []
