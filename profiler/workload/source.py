"""Where a model comes from, decided from what the user typed, without the network and without importing anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from profiler.catalogue.presets import load_preset, nearest_names, preset_names
from profiler.errors import UnknownModelError

_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class SourceKind(StrEnum):
    """The kinds of MODEL."""

    PRESET = "preset"
    FOLDER = "folder"
    HUB = "hub"
    FACTORY = "factory"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model comes from. `name` is a preset, a folder, a hub id or `package.module:factory`."""

    kind: SourceKind
    name: str

    @property
    def label(self) -> str:
        """What the report calls it; of a folder only its own name, which tells nothing about the machine."""
        return Path(self.name).resolve().name if self.kind is SourceKind.FOLDER else self.name


def resolve(model: str, here: Path | None = None) -> ModelSource:
    """What `model` names, by the first that holds:

    1. `package.module:factory`: a factory, by its form alone.
    2. It starts with `.`, `/` or `~`, or is a folder with a `config.json`: a checkpoint folder.
    3. The name of a preset. A folder of the same name makes it ambiguous.
    4. `organisation/name`: a hub id.

    `here` is the folder that relative paths start from (the current one by default). Raises `UnknownModelError` for
    anything else, with the presets that it might have meant.
    """
    text = model.strip()
    if _FACTORY.fullmatch(text):
        return ModelSource(SourceKind.FACTORY, text)
    folder = (here or Path()) / Path(text).expanduser()
    holds_checkpoint = text != "" and (folder / "config.json").is_file()
    is_preset = "/" not in text and _is_preset(text)
    if text.startswith((".", "/", "~")):
        return _folder(text, folder)
    if holds_checkpoint and is_preset:
        raise UnknownModelError(
            f"{text} is a preset and also a checkpoint folder here",
            f"write ./{text} for the folder, or run from elsewhere for the preset",
        )
    if is_preset:
        return ModelSource(SourceKind.PRESET, load_preset(text).name)
    if holds_checkpoint:
        return _folder(text, folder)
    if _HUB_ID.fullmatch(text):
        return ModelSource(SourceKind.HUB, text)
    raise _unknown(text, folder)


def _is_preset(text: str) -> bool:
    try:
        load_preset(text)
    except KeyError:
        return False
    return True


def _folder(text: str, folder: Path) -> ModelSource:
    if not folder.exists():
        raise UnknownModelError(f"there is no folder {text}", "name a checkpoint folder, a preset or a hub id")
    if not (folder / "config.json").is_file():
        raise UnknownModelError(
            f"{text} is no checkpoint folder: it has no config.json",
            "save a model there with save_pretrained(), or name a preset or a hub id",
        )
    return ModelSource(SourceKind.FOLDER, str(folder))


def _unknown(text: str, folder: Path) -> UnknownModelError:
    near = nearest_names(text, preset_names())
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    hint = f"{meant}`bottleneck models` lists the presets; a hub id is organisation/name"
    if text and folder.is_dir():
        return UnknownModelError(f"{text} is a folder without config.json, and no preset", hint)
    return UnknownModelError(f"{text!r} is no preset, checkpoint folder, hub id or package.module:factory", hint)
