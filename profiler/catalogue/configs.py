"""Where the data files of the catalogue are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def configs_folder(package: Path = _PACKAGE) -> Path:
    """Return the folder that holds `models/` and `devices/`.

    An installed wheel carries it as `profiler/_configs`; an editable install finds the repository's `configs/`
    beside the package. Raises FileNotFoundError, naming both places, where neither is there.
    """
    candidates = (package / "_configs", package.parent / "configs")
    for candidate in candidates:
        if (candidate / "models").is_dir():
            return candidate
    places = " nor ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(f"the catalogue's data is neither in {places}; the installation is damaged")
