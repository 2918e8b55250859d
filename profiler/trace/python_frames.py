"""Python's functions as a report may name them: without addresses, and without where on a machine their files lie."""

from __future__ import annotations

import re

_BUILT_IN = re.compile(r"<built-in (?:function|method) (\S*)(?: of .*)?>")
_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-f]+")
_INSTANCE = re.compile(r"^(nn\.Module: .*)_\d+$")
_PLACED = re.compile(r"^(?P<path>.*)(?P<called>\(\d+\): .*)$")
# From here on a path is the package's own. What stands before it tells of a machine and of who works on it.
_PACKAGES = ("site-packages/", "dist-packages/")
_STANDARD_LIBRARY = re.compile(r"^.*/python3\.\d+/")
_HOME = re.compile(r"^.*/(?:home|Users)/[^/]+/")
_FEW = 4  # parts of a path on a machine, counted from the end
BUILT_IN = "built-in "


def frame_name(text: str) -> str:
    """`torch/nn/modules/linear.py(124): forward`, `nn.Module: Linear`, `built-in cat`."""
    if built_in := _BUILT_IN.match(text):
        return f"{BUILT_IN}{built_in[1]}"
    if placed := _PLACED.match(text):
        return f"{_own_path(placed['path'])}{placed['called']}"
    if instance := _INSTANCE.match(text):
        return instance[1]
    return _ADDRESS.sub("", text)


def stack_names(text: str) -> list[str]:
    """The frames of a call stack, innermost first, from text with `;` between them."""
    return [frame_name(frame) for frame in text.split(";") if frame]


def _own_path(path: str) -> str:
    path = path.replace("\\", "/")
    for packages in _PACKAGES:
        if packages in path:
            return path.rpartition(packages)[2]
    if library := _STANDARD_LIBRARY.match(path):
        return path[library.end() :]
    if home := _HOME.match(path):
        path = path[home.end() :]
    elif path.startswith("/") or path[1:2] == ":":
        path = "/".join(path.split("/")[2:]) or path.rpartition("/")[2]
    else:
        return path
    return "/".join(path.split("/")[-_FEW:])
