"""Python's functions as a report may name them: without addresses, and without where on a machine their files lie."""

from __future__ import annotations

import re

_BUILT_IN = re.compile(r"<built-in (?:function|method) (\S*)(?: of .*)?>")
_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-f]+")
_INSTANCE = re.compile(r"^(nn\.Module: .*)_\d+$")
_PLACED = re.compile(r"^(?P<path>.*)(?P<line>\(\d+\): )(?P<function>.*)$")
# From here on a path is the package's own. What stands before it tells of a machine and of who works on it.
_PACKAGE_ROOT = re.compile(r"^.*(?:^|/)(?:(?:site|dist)-packages|lib(?:64)?/python3\.\d+)/")
# Folders that hold others named after people. What begins at a `sys.path` entry above them is still somebody's.
_PEOPLE = {"home", "homes", "users", "root", "..", "~"}
BUILT_IN = "built-in "


def frame_name(text: str) -> str:
    """`torch/nn/modules/linear.py(124): forward`, `train.py(3): step`, `nn.Module: Linear`, `built-in cat`.

    Of a path outside the packages only the file's name is left: any of its folders may be named after a person.
    """
    if built_in := _BUILT_IN.match(text):
        return f"{BUILT_IN}{built_in[1]}"
    if placed := _PLACED.match(text):
        return f"{_own_path(placed['path'])}{placed['line']}{_own_path(placed['function'])}"
    if instance := _INSTANCE.match(text):
        return instance[1]
    return _own_path(_ADDRESS.sub("", text))


def stack_names(text: str) -> list[str]:
    """The frames of a call stack, innermost first, from text with `;` between them."""
    return [frame_name(frame) for frame in text.split(";") if frame]


def _own_path(path: str) -> str:
    """The path from its package on; else, unless it stands within a package already, the file's name."""
    path = _PACKAGE_ROOT.sub("", path.replace("\\", "/").rstrip("/"))
    *folders, name = path.split("/")
    return name if any(_is_private(folder) for folder in folders) else path


def _is_private(folder: str) -> bool:
    """Whether it is no package's: a root, a drive, one of people, or text before a path (`... from /tmp/ann/f.py`)."""
    return not folder or ":" in folder or " " in folder or folder.lower() in _PEOPLE
