"""Where cupti-python is: installed as anything else, or in a folder of its own.

The folder is the way beside a torch for CUDA 13.0 to 13.2, which pins an older CUPTI than PM sampling needs. Only the
process that samples looks into it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import PathFinder

VARIABLE = "BOTTLENECK_CUPTI"
HOW_TO_INSTALL = f"pip install --target DIR cupti-python, and set {VARIABLE}=DIR (its licence is proprietary)"
NEEDS = "13.3"  # the first cupti-python with PM sampling


def look_into_folder() -> None:
    """In the process that samples: import from the folder first, where there is one."""
    folder = os.environ.get(VARIABLE)
    if folder:
        sys.path.insert(0, folder)


def why_missing() -> str | None:
    """Why PM sampling cannot be imported, None if it can; nothing is imported to find out."""
    folder = os.environ.get(VARIABLE)
    package = PathFinder.find_spec("cupti", [folder]) if folder else importlib.util.find_spec("cupti")
    if package is None:
        return f"cupti-python is not in {VARIABLE}" if folder else "cupti-python is not installed"
    places = list(package.submodule_search_locations or ())
    if PathFinder.find_spec("pm_sampling", places) is None:
        return f"this cupti-python has no PM sampling, which came with {NEEDS}"
    return None
