"""Budgets that are installed along, to be named or copied."""

from __future__ import annotations

from pathlib import Path

from profiler.catalogue.configs import configs_folder
from profiler.catalogue.presets import nearest_names
from profiler.errors import UnreadableError, UsageError

USUAL_AGAINST_A_BASELINE = "regression"
_MOST_BYTES = 1 << 20


def budget_names() -> list[str]:
    """Names of the budgets that are installed along, sorted."""
    return sorted(path.stem for path in (configs_folder() / "budgets").glob("*.toml"))


def budget_text(name: str) -> str:
    """The text of a budget: a file, or one that is installed along.

    Raises `UsageError` where there is neither, `UnreadableError` for a file that holds no text.
    """
    path = Path(name)
    if not path.exists():
        if name not in budget_names():
            near = nearest_names(name, budget_names()) or budget_names()
            raise UsageError(f"there is no budget {name}, neither a file nor one by that name", " or ".join(near))
        path = configs_folder() / "budgets" / f"{name}.toml"
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise UnreadableError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{name} is no text: {error.reason} at byte {error.start}") from error
