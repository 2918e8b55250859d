"""Named architectures that can be built without a download."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from profiler.catalogue.configs import configs_folder


@dataclass(frozen=True, slots=True)
class Preset:
    """One architecture: the config that `transformers` builds it from, and its counted parameters.

    `active_params` are those that one token passes through: all of a dense model, the routed share of a
    mixture of experts.
    """

    name: str
    config: dict[str, Any]
    total_params: int
    active_params: int


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return sorted(path.stem for path in (configs_folder() / "models").glob("*.json"))


def load_preset(name: str) -> Preset:
    """Read one preset. Case is ignored, and `gemma-3-4b(text)` is the same as `gemma-3-4b-text`.

    Raises KeyError for a name that is no preset.
    """
    stem = _shell_friendly(name)
    if stem not in preset_names():
        raise KeyError(name)
    return msgspec.json.decode((configs_folder() / "models" / f"{stem}.json").read_bytes(), type=Preset)


def nearest_names(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` of `names` that `name` was probably meant to be, best first.

    Names that contain it, or that it contains, come before names that are merely spelt alike.
    """
    asked = _shell_friendly(name.rpartition("/")[2])  # of a hub id, the model's own name
    by_likeness = sorted(names, key=lambda other: -difflib.SequenceMatcher(None, asked, other).ratio())
    contained = [other for other in by_likeness if asked and (asked in other or other in asked)]
    alike = difflib.get_close_matches(asked, by_likeness, n=count, cutoff=0.5)
    return list(dict.fromkeys(contained + alike))[:count]


def _shell_friendly(name: str) -> str:
    """The spelling that file names use: no brackets, no capitals."""
    return name.lower().replace("(", "-").replace(")", "")
