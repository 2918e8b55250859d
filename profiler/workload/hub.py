"""Fetching a checkpoint from a hub (huggingface.co, or HF_ENDPOINT)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from profiler.errors import FailedError, UnknownModelError, UnsupportedError, UsageError
from profiler.workload import checkpoint

_CONFIG = ["config.json"]
_WEIGHTS = [checkpoint.WHOLE, checkpoint.INDEX]
_CODE = ["*.py"]
_NOT_BESIDE_THE_CONFIG = ["*/*"]


def fetch(repository: str, *, weights: bool, code: bool) -> Path:
    """The folder of the hub's cache that holds the config, and the safetensors and the code if wanted.

    Weights that a repository holds more than once, for several programs, are fetched once.

    Nothing is sent but the names of the files, and the versions of Python and of the hub's client. Raises, each in one
    line, `UnknownModelError` (no such model), `UnsupportedError` (gated, or no answer from the hub), `FailedError` (an
    answer that is none) or `UsageError` (no config, or no weights but pickles).
    """
    from huggingface_hub import HfApi, errors, snapshot_download

    patterns = _CONFIG + (_WEIGHTS if weights else []) + (_CODE if code else [])
    try:
        with _without_progress_bars():
            folder = Path(snapshot_download(repository, allow_patterns=patterns))
            if not (folder / "config.json").is_file():
                raise UsageError(f"{repository} has no config.json: it is no transformers model", "name another one")
            if weights and not (folder / checkpoint.WHOLE).is_file():
                # The shards that the index names; without one, what lies beside the config. Of the same commit.
                shards = [path.name for path in checkpoint.safetensors_files(folder)]
                others = None if shards else _NOT_BESIDE_THE_CONFIG
                patterns = shards or ["*.safetensors"]
                snapshot_download(repository, revision=folder.name, allow_patterns=patterns, ignore_patterns=others)
            if weights and not checkpoint.safetensors_files(folder):
                raise checkpoint.no_safetensors(repository, HfApi().list_repo_files(repository))
    except errors.GatedRepoError as error:
        raise UnsupportedError(
            f"{repository} is gated: the hub wants to know who asks", "accept its terms there, then `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UnknownModelError(
            f"the hub {_hub_name()} has no model {repository}, or it is private",
            "check the spelling; `hf auth login` for a private one; `bottleneck models` lists what needs no hub",
        ) from error
    except _errors_without_the_files() as error:
        answer = error.__cause__ if isinstance(error.__cause__, errors.HfHubHTTPError) else error
        if isinstance(answer, errors.HfHubHTTPError):
            raise FailedError(
                f"the hub {_hub_name()} answered {answer.response.status_code} for {repository}", "try again later"
            ) from error
        raise UnsupportedError(
            f"the hub {_hub_name()} cannot be reached, and {repository} is not in the cache",
            "check the network and HF_ENDPOINT; a preset needs no hub (`bottleneck models`)",
        ) from error
    return folder


def _errors_without_the_files() -> tuple[type[Exception], ...]:
    """What the hub's client raises where the hub gave no files, and the cache has none.

    Its HTTP client is httpx, from its version 2 on httpx2: of either, `HTTPError` is the base of the hub's own.
    """
    from huggingface_hub import errors

    # OSError, the other base, would take a full disk for a hub that is not there.
    http_errors = [base for base in errors.HfHubHTTPError.__bases__ if base is not OSError]
    return (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, *http_errors)


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
