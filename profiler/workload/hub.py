"""Fetching a checkpoint from a hub (huggingface.co, or HF_ENDPOINT)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from profiler.errors import FailedError, UnknownModelError, UnsupportedError, UsageError

_CONFIG = ["config.json"]
_WEIGHTS = ["*.safetensors", "*.safetensors.index.json"]
_CODE = ["*.py"]


def fetch(repository: str, *, weights: bool, code: bool) -> Path:
    """The folder of the hub's cache that holds the config, and the safetensors and the code if wanted.

    Nothing is sent but the names of the files. Raises `UnknownModelError` (no such model), `UnsupportedError` (gated,
    or the hub cannot be reached) or `UsageError` (weights only as pickles), each in one line.
    """
    import httpx
    from huggingface_hub import errors, snapshot_download

    patterns = _CONFIG + (_WEIGHTS if weights else []) + (_CODE if code else [])
    try:
        with _without_progress_bars():
            folder = Path(snapshot_download(repository, allow_patterns=patterns))
    except errors.GatedRepoError as error:
        raise UnsupportedError(
            f"{repository} is gated: the hub wants to know who asks", "accept its terms there, then `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UnknownModelError(
            f"the hub {_hub_name()} has no model {repository}, or it is private",
            "check the spelling; `hf auth login` for a private one; `bottleneck models` lists what needs no hub",
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, httpx.TransportError) as error:
        raise UnsupportedError(
            f"the hub {_hub_name()} cannot be reached and {repository} is not in the cache",
            "check the network and HF_ENDPOINT; a preset with --weights random needs no hub (`bottleneck models`)",
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        raise FailedError(f"the hub {_hub_name()} answered {status} for {repository}", "try again later") from error
    except errors.HFValidationError as error:
        raise UnknownModelError(f"{repository} is no hub id", "a hub id is organisation/name") from error
    if not (folder / "config.json").is_file():
        raise UsageError(f"{repository} has no config.json: it is no transformers model", "name another model")
    return folder


def _hub_name() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT).partition("://")[2]


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """The client's own bars would break into ours."""
    from huggingface_hub import utils

    bars: Any = utils  # its functions are re-exported by accident, as type checkers see it

    if bars.are_progress_bars_disabled():
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()
