"""What the shell's Tab offers. Where nothing is offered, every shell goes on with the names of files.

Each is given what was typed of the word. They run at every Tab, so they read names and open no file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_REPORTS, _BUDGETS = (".json", ".json.gz"), (".toml",)


def models(typed: str) -> list[str]:
    """Names of presets; a path is left to the shell."""
    from profiler.catalogue.presets import preset_names

    return _beginning(preset_names(), typed)


def datasheets(typed: str) -> list[str]:
    """Short names of devices whose datasheet is known."""
    from profiler.catalogue.datasheet import datasheet_names

    return _beginning(datasheet_names(), typed)


def budgets(typed: str) -> list[str]:
    """Names of budgets that are installed along, and files that could hold one."""
    from profiler.catalogue.budgets import budget_names

    return [*_beginning(budget_names(), typed), *_files(typed, _BUDGETS)]


def reports(typed: str) -> list[str]:
    """Files that could hold a report."""
    return _files(typed, _REPORTS)


def _beginning(names: Iterable[str], typed: str) -> list[str]:
    return [name for name in names if name.startswith(typed)]


def _files(typed: str, endings: tuple[str, ...]) -> list[str]:
    """Files with these endings, and folders on the way to them.

    Of a single folder what is in it: shells end a word at what is offered alone, and a folder's name is no whole one.
    """
    folder, _, begun = typed.rpartition("/")
    within = f"{folder}/" if "/" in typed else ""
    try:
        found = sorted(Path(within or ".").iterdir())
    except OSError:
        return []
    shown = [path for path in found if path.name.startswith(begun) and (begun or not path.name.startswith("."))]
    files = [f"{within}{path.name}" for path in shown if path.name.endswith(endings)]
    folders = [f"{within}{path.name}/" for path in shown if path.is_dir()]
    if not files and len(folders) == 1 and folders[0] != typed:
        return _files(folders[0], endings)
    return [*files, *folders]
