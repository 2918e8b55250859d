"""A checkpoint folder: its config and its safetensors files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from profiler.errors import UnreadableError, UsageError

# The names that `save_pretrained` gives.
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_OF_ANOTHER_PROGRAM = "consolidated"  # mistral-inference's name for the same weights, its own names inside
_PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")


def safetensors_files(folder: Path) -> list[Path]:
    """The files that hold a checkpoint's weights, each tensor once, in order; empty if there are none.

    A folder may hold the weights twice: in shards and in one file that other programs read. As transformers does,
    `model.safetensors` is taken, else the shards that the index names (whether they are there or not), else what lies
    there, without the file of another program. Raises `UnreadableError` for an index that is none.
    """
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if (folder / INDEX).is_file():
        return [folder / name for name in _shards(folder / INDEX)]
    loose = sorted(folder.glob("*.safetensors"))
    return [path for path in loose if not path.name.startswith(_OF_ANOTHER_PROGRAM)] or loose


def _shards(index: Path) -> list[str]:
    try:
        named = json.loads(index.read_bytes())["weight_map"].values()
        shards = sorted({str(name) for name in named})
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnreadableError(f"{index.name} names no shards: {error}", "fetch it again") from error
    outside = [name for name in shards if Path(name).name != name]
    if outside or not shards:
        reason = f"{outside[0]} lies outside of the folder" if outside else "its map is empty"
        raise UnreadableError(f"{index.name} names no shards: {reason}", "fetch it again")
    return shards


def has_weights(folder: Path) -> bool:
    """Whether a folder holds weights in any form, accepted or not."""
    return bool(safetensors_files(folder) or _pickles(folder))


def require_safetensors(folder: Path, label: str) -> list[Path]:
    """The same, but `UsageError` where there are none, with the way out if there are pickles."""
    files = safetensors_files(folder)
    if files:
        return files
    raise no_safetensors(label, _pickles(folder))


def no_safetensors(label: str, files: Iterable[str]) -> UsageError:
    """There are no weights to read among `files`, and whether that is because they are pickles."""
    pickles = [name for name in files if Path(name).suffix in _PICKLE_SUFFIXES]
    if pickles:
        return UsageError(
            f"{label} has its weights only as pickles ({pickles[0]}), and loading a pickle runs whatever is in it",
            "convert where you trust it: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW_DIR)"
            "; or use --weights random",
        )
    return UsageError(f"{label} has no safetensors files", "use --weights random to run its architecture")


def _pickles(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLE_SUFFIXES)


def read_tensors(path: Path) -> dict[str, Any]:
    """All tensors of a file, in host memory, dtype and shape as stored.

    Copied out of the file's memory map: only then have the bytes been read. Raises `UnreadableError`.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise UnreadableError(f"{path.name} is no whole safetensors file: {error}", "fetch it again") from error


def read_config(folder: Path, label: str, *, trust_remote_code: bool) -> Any:
    """The transformers config of a checkpoint folder.

    Raises `UsageError` if it wants to run code of its own that was not trusted, `UnreadableError` if it is no config.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(str(folder), trust_remote_code=trust_remote_code, local_files_only=True)
    except (ValueError, OSError, KeyError, TypeError) as error:
        if "trust_remote_code" in str(error):
            raise remote_code_refused(label) from error
        reason = str(error).strip().partition("\n")[0]
        raise UnreadableError(f"config.json of {label} cannot be read: {reason}", "check the file") from error


def remote_code_refused(label: str) -> UsageError:
    """The checkpoint brings Python code and nobody said that it may run."""
    return UsageError(
        f"{label} brings Python code of its own that would have to run", "read it, then add --trust-remote-code"
    )
