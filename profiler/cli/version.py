"""The versions that a bug report needs. Read from what is installed: nothing of it is imported."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from profiler import __version__

_PACKAGES = ("transformers", "accelerate", "numpy", "typer", "rich", "msgspec")
# The driver's own file; NVML would have to be loaded.
_DRIVER = Path("/proc/driver/nvidia/version")
_NOT_INSTALLED = "not installed"


def versions(driver_file: Path = _DRIVER) -> str:
    """One line each, the tool's first."""
    found = {
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "driver": _driver(driver_file),
        "torch": _installed("torch"),
        "CUDA of torch": _cuda_of_torch(),
        **{name: _installed(name) for name in _PACKAGES},
    }
    width = max(map(len, found)) + 1
    return "".join([f"bottleneck {__version__}\n", *(f"{name:<{width}}{value}\n" for name, value in found.items())])


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _NOT_INSTALLED


def _cuda_of_torch() -> str:
    """As torch wrote it down when it was built. Finding a package imports nothing of it."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return "torch is not installed"
    try:
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return "not known: torch does not say"
    stated = re.search(r"^cuda\b[^=\n]*=\s*(?:'([^']*)'|\"([^\"]*)\"|None)", text, re.MULTILINE)
    if stated is None:
        return "not known: torch does not say"
    return stated[1] or stated[2] or "none: this torch was built for CPUs"


def _driver(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return "none: there is no NVIDIA driver here"
    stated = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", text)
    return stated[1] if stated else "not known"
